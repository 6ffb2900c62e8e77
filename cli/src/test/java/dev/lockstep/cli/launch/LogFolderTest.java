// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli.launch;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lockstep.cli.console.Terminal;
import dev.lockstep.cluster.process.FolderLock;
import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class LogFolderTest {
    @TempDir Path folder;

    private final ByteArrayOutputStream said = new ByteArrayOutputStream();
    private final Terminal terminal =
            new Terminal(new PrintStream(said, true, StandardCharsets.UTF_8), false);

    private List<String> runs() throws Exception {
        try (Stream<Path> files = Files.list(folder)) {
            return files.map(file -> file.getFileName().toString()).sorted().toList();
        }
    }

    private void oldRun(String name) throws Exception {
        Path run = Files.createDirectory(folder.resolve(name));
        Files.writeString(run.resolve("worker-0.log"), "a line");
    }

    @Test
    void theNewestRunsAreKeptAndThoseThatLast() throws Exception {
        for (int day = 10; day < 25; day++) {
            oldRun("202601%d-120000-x".formatted(day));
        }
        Files.writeString(folder.resolve("notes"), "mine");
        // Nothing in it can be removed.
        Files.writeString(folder.resolve("20260101-120000-x"), "no folder");
        Path lasting = folder.resolve("20260110-120000-x").resolve("run.lock");
        try (FolderLock _ = FolderLock.tryTake(lasting).orElseThrow()) {
            LogFolder made = LogFolder.create(folder);
            List<String> left = runs();
            assertEquals("20260101-120000-x", left.getFirst());
            assertEquals("20260110-120000-x", left.get(1));
            assertEquals("20260116-120000-x", left.get(2));
            assertTrue(left.contains("notes") && left.contains(made.path().getFileName() + ""));
            // The file, the lasting run, the notes, and the newest runs with this one.
            assertEquals(3 + LogFolder.KEPT_RUNS, left.size(), left::toString);
            assertEquals(
                    "rwx------",
                    PosixFilePermissions.toString(Files.getPosixFilePermissions(made.path())));
            made.lock().close();
        }
    }

    @Test
    void logsAreInTheUsersFolderOfProgramStates() {
        for (Map<String, String> environment :
                List.of(
                        Map.of("XDG_STATE_HOME", folder.resolve("state") + "", "HOME", "/nowhere"),
                        Map.of("HOME", folder.resolve("home") + ""))) {
            LogFolder made = LogFolder.ofNewRun(environment, terminal);
            Path state =
                    Path.of(
                            environment.containsKey("XDG_STATE_HOME")
                                    ? "state"
                                    : "home/.local/state");
            assertEquals(folder.resolve(state).resolve("lockstep/logs"), made.path().getParent());
            made.lock().close();
        }
        assertEquals("", said.toString(StandardCharsets.UTF_8));
    }

    @Test
    void aFolderThatCannotBeWrittenIsSaidAndATemporaryOneIsUsed() throws Exception {
        Path file = Files.writeString(folder.resolve("file"), "");
        LogFolder made = LogFolder.ofNewRun(Map.of("XDG_STATE_HOME", file + ""), terminal);
        assertTrue(Files.isDirectory(made.path()));
        String line = said.toString(StandardCharsets.UTF_8);
        assertTrue(
                line.startsWith(
                        "logs go to %s: %s/lockstep/logs cannot".formatted(made.path(), file)),
                line);
        made.lock().close();
        RunFolder.temporary(made.path().resolve("../..").normalize()).remove();
    }
}
