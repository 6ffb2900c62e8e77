// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.it;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lockstep.checkpoint.Fixtures;
import dev.lockstep.checkpoint.TinyCheckpoint;
import dev.lockstep.cluster.LoadAwareClock;
import dev.lockstep.cluster.process.ExitCode;
import java.io.Closeable;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.extension.ExtendWith;

/// Starts that must fail: `serve` exits with one line that names the cause, and leaves no process
/// and no shared memory.
@ExtendWith(LogsOnFailure.class)
final class BadStartIT {

    /// Concurrent starts: most of their time they wait for the disk and for each other.
    private static final int CONCURRENT = 3;

    /// The guarantee: after this time no process and no shared memory is left.
    private static final Duration CLEAN_UP_LIMIT = Duration.ofSeconds(2);

    /// A start that must fail.
    ///
    /// @param usage whether the settings themselves are wrong, which has a separate exit code
    /// @param words the cause and the remedy, which the message must contain
    /// @param by the command that starts `serve`, if not the test
    private record BadStart(
            boolean usage, List<String> words, List<String> flags, List<String> by) {}

    /// Starts a command whose shared memory has this many KiB, in a mount namespace of its own.
    private static List<String> withSharedMemory(int kibibytes) {
        String script = "mount -t tmpfs -o size=" + kibibytes + "k tmpfs /dev/shm && exec \"$@\"";
        return List.of("unshare", "-Urm", "bash", "-c", script, "bash");
    }

    private static boolean mayMount() throws IOException, InterruptedException {
        List<String> words = new ArrayList<>(withSharedMemory(4));
        words.add("true");
        try {
            Process process = new ProcessBuilder(words).redirectErrorStream(true).start();
            process.getInputStream().readAllBytes();
            return process.waitFor() == 0;
        } catch (IOException e) {
            // No `unshare` on this host.
            return false;
        }
    }

    /// The result of a start.
    private record Outcome(int exitCode, String errors, String output, List<String> leftovers) {}

    @TestFactory
    Stream<DynamicTest> aBadStartEndsInOneLine() throws Exception {
        Sandbox models = Sandbox.quick();
        var occupied = new ServerSocket(0, 1, InetAddress.getLoopbackAddress());
        Path usedFolder = Files.createDirectory(models.folder().resolve("used"));
        FileChannel lock =
                FileChannel.open(
                        usedFolder.resolve("serve.lock"),
                        StandardOpenOption.CREATE,
                        StandardOpenOption.WRITE);
        lock.lock();
        Map<String, BadStart> starts =
                badStarts(models.folder(), occupied.getLocalPort(), usedFolder);
        ExecutorService threads = Executors.newFixedThreadPool(CONCURRENT);
        List<DynamicTest> tests = new ArrayList<>();
        starts.forEach(
                (name, start) -> {
                    Future<Outcome> outcome = threads.submit(() -> attempt(start));
                    tests.add(DynamicTest.dynamicTest(name, () -> check(start, outcome.get())));
                });
        return tests.stream()
                .onClose(
                        () -> {
                            threads.shutdownNow();
                            models.close();
                            close(occupied);
                            close(lock);
                        });
    }

    private static void close(Closeable resource) {
        try {
            resource.close();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static Outcome attempt(BadStart start) throws Exception {
        List<String> flags = start.flags();
        Sandbox sandbox = Sandbox.quick();
        try (sandbox) {
            List<String> all = new ArrayList<>();
            all.add("--run-folder=" + sandbox.folder());
            all.add("--group=" + sandbox.group());
            if (flags.stream().noneMatch(flag -> flag.startsWith("--port"))) {
                all.add("--port=0");
            }
            all.addAll(flags);
            LockstepProcess launcher = sandbox.start("serve", "serve", all, start.by());
            int exitCode = launcher.awaitExit();
            try (var clock = new LoadAwareClock()) {
                sandbox.awaitNothingLeft(CLEAN_UP_LIMIT, clock);
            } catch (AssertionError e) {
                // The outcome lists what is left.
            }
            return new Outcome(exitCode, launcher.errors(), launcher.output(), sandbox.leftovers());
        } finally {
            // Other sandboxes are removed for the thread of a test.
            sandbox.remove();
        }
    }

    private static void check(BadStart start, Outcome outcome) {
        String errors = outcome.errors();
        List<String> lines =
                errors.lines().filter(line -> line.startsWith("lockstep serve: ")).toList();
        assertEquals(1, lines.size(), () -> "one line with the cause: " + errors);
        for (String word : start.words()) {
            assertTrue(lines.getFirst().contains(word), () -> word + " is in: " + errors);
        }
        assertTrue(!errors.contains("\tat "), () -> "no stack trace: " + errors);
        assertEquals("", outcome.output());
        assertEquals(List.of(), outcome.leftovers());
        assertNotEquals(ExitCode.OK, outcome.exitCode());
        assertEquals(start.usage(), outcome.exitCode() == ExitCode.USAGE, errors);
        if (!start.by().isEmpty()) {
            assertEquals(ExitCode.UNUSABLE, outcome.exitCode(), errors);
        }
    }

    private static Map<String, BadStart> badStarts(Path folder, int occupiedPort, Path usedFolder)
            throws IOException, InterruptedException {
        Path good = folder.resolve("good");
        TinyCheckpoint.write(good, 1);
        Map<String, BadStart> starts = new LinkedHashMap<>();
        starts.put(
                "a wrong flag",
                usage(List.of("--tensor-paralel", "--tensor-parallel"), "--tensor-paralel=2"));
        starts.put("a flag without its value", usage(List.of("--dtype"), "--dtype"));
        starts.put(
                "a value out of range",
                usage(List.of("--max-num-seqs", "0"), "--max-num-seqs", "0"));
        starts.put(
                "an unknown policy",
                usage(
                        List.of("--waiting-order", "fare", "fair"),
                        "--model=" + good,
                        "--waiting-order=fare"));
        starts.put(
                "q8 for heads of 16",
                unusable(
                        List.of("kv-dtype q8", "16", "32", "f16"),
                        "--model=" + good,
                        "--kv-dtype=q8"));
        boolean arm = System.getProperty("os.arch").equals("aarch64");
        starts.put(
                "kernels of another processor",
                unusable(
                        List.of("lacks", arm ? "avx2" : "asimddp", "request"),
                        "--model=" + good,
                        "--instruction-set=" + (arm ? "avx2" : "neon")));
        starts.put(
                "an unknown model",
                usage(List.of("no/such/model", "smollm2-135m-instruct"), "--model=no/such/model"));
        starts.put(
                "a truncated checkpoint",
                unusable(
                        List.of("model.safetensors"), "--model=" + BrokenModels.truncated(folder)));
        starts.put(
                "a corrupt checkpoint",
                unusable(List.of("model.safetensors"), "--model=" + BrokenModels.corrupt(folder)));
        starts.put(
                "a truncated GGUF file",
                unusable(List.of("broken.gguf"), "--model=" + BrokenModels.brokenGguf(folder)));
        starts.put(
                "a missing shard",
                unusable(
                        List.of("model-00002-of-00003.safetensors"),
                        "--model=" + BrokenModels.missingShard(folder)));
        starts.put(
                "an unsupported architecture",
                unusable(
                        List.of("config.json", "architecture MambaForCausalLM", "docs/models.md"),
                        "--model=" + BrokenModels.otherArchitecture(folder)));
        starts.put(
                "an unsupported tensor type",
                unusable(
                        List.of("model.norm.weight", "I32"),
                        "--model=" + BrokenModels.otherType(folder)));
        starts.put(
                "a broken chat template",
                unusable(
                        List.of("own.jinja", "template line 1"),
                        "--model=" + good,
                        "--chat-template="
                                + Files.writeString(folder.resolve("own.jinja"), "{% if %}")));
        starts.put(
                "a broken tokenizer",
                unusable(
                        List.of("tokenizer.json", "merge"),
                        "--model=" + BrokenModels.brokenTokenizer(folder)));
        starts.put(
                "a sampling value out of range",
                unusable(
                        List.of("generation_config.json", "top_p", "1.5", "--generation-config"),
                        "--model=" + BrokenModels.badSampling(folder)));
        starts.put(
                "an empty folder",
                unusable(
                        List.of("empty", "config.json"),
                        "--model=" + Files.createDirectory(folder.resolve("empty"))));
        starts.put(
                "more context than the model has",
                usage(
                        List.of("--max-model-len", "513", "512"),
                        "--model=" + good,
                        "--max-model-len=513"));
        starts.put(
                "more context than its rope is scaled for",
                usage(
                        List.of("--max-model-len", "2049", "2048", "512"),
                        "--model=" + BrokenModels.scaledRope(folder),
                        "--max-model-len=2049"));
        starts.put(
                "a missing tensor",
                unusable(
                        List.of("tensor model.layers.2.input_layernorm.weight is missing"),
                        "--model=" + BrokenModels.missingTensor(folder)));
        starts.put(
                "more ranks than heads",
                unusable(List.of("5", "4"), "--model=" + good, "--tensor-parallel=5"));
        // Said before the model is looked for.
        starts.put(
                "a port in use",
                unusable(
                        List.of("" + occupiedPort, "--port"),
                        "--model=no/such/model",
                        "--port=" + occupiedPort));
        starts.put(
                "a run folder in use",
                usage(List.of("--run-folder", "another serve"), "--run-folder=" + usedFolder));
        starts.put(
                "too little memory",
                unusable(List.of("--kv-memory"), "--model=" + good, "--kv-memory=4000G"));
        starts.put(
                "too little KV memory",
                unusable(
                        List.of("--kv-memory"),
                        "--model=" + good,
                        "--kv-memory=1K",
                        "--tensor-parallel=4"));
        if (mayMount()) {
            starts.put(
                    "shared memory that is too small",
                    new BadStart(
                            false,
                            List.of(
                                    "/dev/shm has 65536 bytes free, the group needs ",
                                    "--shm-size",
                                    "--max-num-batched-tokens"),
                            List.of("--model=" + good, "--tensor-parallel=2"),
                            withSharedMemory(64)));
        } else {
            System.out.println("skipped: shared memory that is too small needs a mount namespace");
        }
        Fixtures.find("gguf/llama-Q8_0.gguf")
                .ifPresent(
                        quantized ->
                                starts.put(
                                        "a compute type that quantized weights do not support",
                                        unusable(
                                                List.of("dtype bf16", "auto"),
                                                "--model=" + quantized,
                                                "--dtype=bf16")));
        return starts;
    }

    private static BadStart usage(List<String> words, String... flags) {
        return new BadStart(true, words, List.of(flags), List.of());
    }

    private static BadStart unusable(List<String> words, String... flags) {
        return new BadStart(false, words, List.of(flags), List.of());
    }
}
