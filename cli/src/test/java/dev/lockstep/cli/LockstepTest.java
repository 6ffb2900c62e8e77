// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lockstep.checkpoint.TinyCheckpoint;
import dev.lockstep.cli.launch.LauncherConfig;
import dev.lockstep.cluster.process.ExitCode;
import dev.lockstep.cluster.process.ProcessKeys;
import dev.lockstep.cluster.process.Settings;
import dev.lockstep.cluster.process.Version;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.io.PrintStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// Tests what the command prints before it starts a process.
class LockstepTest {
    private final ByteArrayOutputStream out = new ByteArrayOutputStream();
    private final ByteArrayOutputStream err = new ByteArrayOutputStream();

    @TempDir Path folder;

    private int lockstep(String... words) {
        return Lockstep.run(
                List.of(words),
                new PrintStream(out, true, StandardCharsets.UTF_8),
                new PrintStream(err, true, StandardCharsets.UTF_8));
    }

    private String output() {
        return out.toString(StandardCharsets.UTF_8);
    }

    /// Asserts that a command prints only this line, on standard error, and returns this exit code.
    private void assertRefused(int exitCode, String line, String... words) {
        assertEquals(exitCode, lockstep(words));
        assertEquals(line + "\n", err.toString(StandardCharsets.UTF_8));
        assertEquals("", output());
    }

    @Test
    void withoutACommandTheCommandsAreListedAndTheExitCodeIsAnError() {
        assertEquals(ExitCode.USAGE, lockstep());
        for (String command : List.of("serve", "run", "models", "bench", "worker", "zookeeper")) {
            assertTrue(output().contains("\n  " + command + " "), output());
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"help", "--help", "-h"})
    void helpListsTheCommands(String word) {
        assertEquals(ExitCode.OK, lockstep(word));
        assertTrue(output().contains("Usage: lockstep COMMAND"), output());
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "serve",
                "run",
                "models",
                "inspect",
                "tokenize",
                "render",
                "coordinator",
                "scheduler",
                "worker",
                "zookeeper",
                "bench",
                "replay",
                "train-start-up"
            })
    void everyCommandHasHelp(String command) {
        assertEquals(ExitCode.OK, lockstep(command, "--help"));
        assertTrue(output().startsWith("Usage: lockstep " + command), output());
        assertEquals("", err.toString(StandardCharsets.UTF_8));
    }

    @Test
    void helpOfServeNamesEveryFlagAndItsDefault() {
        lockstep("serve", "--port", "80", "-h");
        for (String flag :
                List.of(
                        "--model",
                        "--served-model-name",
                        "--host",
                        "--port",
                        "--tensor-parallel",
                        "--threads",
                        "--dtype",
                        "--kv-dtype",
                        "--packed-cache",
                        "--max-model-len",
                        "--kv-memory",
                        "--max-num-seqs",
                        "--max-num-batched-tokens",
                        "--zookeeper",
                        "--group",
                        "--failpoints")) {
            assertTrue(output().contains("  " + flag + " "), flag + " in " + output());
        }
        assertTrue(output().contains("(8000)"), output());
    }

    @ParameterizedTest
    @ValueSource(strings = {"--version", "-V", "version"})
    void theVersionIsPrinted(String word) {
        assertEquals(ExitCode.OK, lockstep(word));
        assertEquals("lockstep " + Version.TEXT + "\n", output());
    }

    @Test
    void anUnknownCommandIsRefusedWithTheNearestOrAllCommands() {
        assertRefused(
                ExitCode.USAGE, "lockstep sevre: no such command; did you mean serve?", "sevre");
        err.reset();
        assertRefused(
                ExitCode.USAGE,
                "lockstep answer: no such command; commands are serve, run, models, inspect, convert, evaluate, tokenize, render, parse, grammar, coordinator,"
                        + " scheduler, worker, zookeeper, drain, resize, certificates, doctor, devices, bench, replay, train-start-up",
                "answer");
    }

    @ParameterizedTest
    @ValueSource(strings = {"serve", "run", "coordinator", "scheduler", "worker"})
    void aWrongFlagGetsTheNearestOne(String command) {
        assertRefused(
                ExitCode.USAGE,
                "lockstep " + command + ": unknown setting --clutser; did you mean --cluster?",
                command,
                "--clutser",
                "a");
    }

    @Test
    void aWrongFlagGetsTheNearestOneInBothForms() {
        String line =
                "lockstep serve: unknown setting --tensor-paralel; did you mean --tensor-parallel?";
        assertRefused(ExitCode.USAGE, line, "serve", "--tensor-paralel", "2");
        err.reset();
        assertRefused(ExitCode.USAGE, line, "serve", "--tensor-paralel=2");
    }

    @Test
    void aValueAfterABlankAndAfterAnEqualsSignMeanTheSame() {
        for (List<String> words :
                List.of(List.of("--max-num-seqs", "5"), List.of("--max-num-seqs=5"))) {
            Settings settings = Settings.parse(LauncherConfig.SPEC, words, Map.of());
            assertEquals(5, settings.value(ProcessKeys.MAX_NUM_SEQS));
        }
    }

    @Test
    void valuesOutsideTheirRangeAreRefused() {
        assertRefused(
                ExitCode.USAGE,
                "lockstep serve: --port: 80000 is outside [0, 65535]",
                "serve",
                "--port",
                "80000");
        err.reset();
        assertRefused(
                ExitCode.USAGE,
                "lockstep serve: --max-model-len: 99999999 is outside [2, 16777216]",
                "serve",
                "--max-model-len",
                "99999999");
        err.reset();
        assertRefused(
                ExitCode.USAGE,
                "lockstep serve: --dtype: \"int4\" is none of auto, f32, bf16",
                "serve",
                "--dtype=int4");
        err.reset();
        assertRefused(
                ExitCode.USAGE, "lockstep serve: --port needs a value: NUMBER", "serve", "--port");
        err.reset();
        assertRefused(
                ExitCode.USAGE,
                "lockstep serve: unexpected argument \"now\"; flags begin with --",
                "serve",
                "now");
    }

    @Test
    void wrongSettingsOfAnswersAreRefused() throws IOException {
        assertRefused(
                ExitCode.USAGE,
                "lockstep serve: --reasoning: \"on\" is none of off, separate, inline",
                "serve",
                "--reasoning=on");
        err.reset();
        TinyCheckpoint.write(folder, 1);
        Path file = Files.writeString(folder.resolve("f.json"), "{\"tool\": {}}");
        assertRefused(
                ExitCode.UNUSABLE,
                "lockstep parse: " + file + ": unknown field tool",
                "parse",
                "--model=" + folder,
                "--tool-format=" + file);
    }

    @ParameterizedTest
    @ValueSource(strings = {"coordinator", "scheduler", "worker"})
    void aSeparateProcessNeedsZooKeeper(String command) {
        assertRefused(
                ExitCode.USAGE,
                "lockstep " + command + ": --zookeeper is missing: " + ProcessKeys.ZOOKEEPER.help(),
                command);
    }

    @Test
    void runNeedsAPrompt() {
        assertRefused(
                ExitCode.USAGE,
                "lockstep run: a prompt is missing: lockstep run \"Name three colours.\"",
                "run");
    }

    @Test
    void fetchingAnUnknownModelNamesTheKnownOnes() {
        assertRefused(
                ExitCode.USAGE,
                "lockstep models: --fetch: gpt-5 is neither a folder nor a .gguf file, nor a known"
                        + " name (smollm2-135m-instruct), nor a hub's model as org/name",
                "models",
                "--fetch=gpt-5");
    }

    @Test
    void trainingNeedsAFolder() {
        assertRefused(
                ExitCode.USAGE,
                "lockstep train-start-up: name one folder: lockstep train-start-up FOLDER",
                "train-start-up");
    }

    @Test
    void aUrlWithoutASchemeIsRefused() {
        assertEquals(ExitCode.USAGE, lockstep("bench", "serve", "--url", "nonsense"));
        String line = err.toString(StandardCharsets.UTF_8);
        assertTrue(line.startsWith("lockstep bench: --url: \"nonsense\" is not a URL"), line);
        assertEquals(1, line.lines().count(), line);
    }

    @Test
    void aWriteErrorOfStandardOutputEndsTheRun() {
        OutputStream full =
                new OutputStream() {
                    @Override
                    public void write(int value) throws IOException {
                        throw new IOException("no space left on device");
                    }
                };
        UncheckedIOException failure =
                assertThrows(
                        UncheckedIOException.class,
                        () ->
                                RunCommand.print(
                                        new PrintStream(full, true, StandardCharsets.UTF_8), "a"));
        assertEquals(ExitCode.FAILED, Lockstep.report("run", failure, new PrintStream(err)));
        RunCommand.print(new PrintStream(out, true, StandardCharsets.UTF_8), "a");
        assertEquals("a", output());
    }

    @Test
    void benchNeedsTheNameOfABenchmarkAndAServer() {
        assertRefused(
                ExitCode.USAGE,
                "lockstep bench: name the benchmark: lockstep bench serve",
                "bench");
        err.reset();
        assertRefused(
                ExitCode.USAGE,
                "lockstep bench: --url: \"localhost:8000\" is not a URL such as"
                        + " http://127.0.0.1:8000",
                "bench",
                "serve",
                "--url=localhost:8000");
        err.reset();
        // No process listens on port 1.
        assertRefused(
                ExitCode.UNUSABLE,
                "lockstep bench: nothing listens at http://127.0.0.1:1/: start lockstep serve, or"
                        + " name a server with --url",
                "bench",
                "serve",
                "--url=http://127.0.0.1:1");
    }

    @Test
    void aFolderThatCannotBeCreatedIsOneLine() throws Exception {
        Path file = Files.createFile(folder.resolve("file"));
        assertRefused(
                ExitCode.FAILED,
                "lockstep zookeeper: --data: cannot make %s: %s: file already exists"
                        .formatted(file, file),
                "zookeeper",
                "--data=" + file);
    }
}
