// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cpu;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// The size of a folder of packed weights, and what killed writers leave in it.
final class PackedFolderTest {
    private static final int MIB = 1 << 20;

    @TempDir Path temporary;
    private PackedFolder folder;

    @BeforeEach
    void create() throws IOException {
        folder = new PackedFolder(temporary.resolve("cache/packed"));
        folder.prepare();
    }

    @Test
    void theLeastRecentlyUsedFilesMakeRoom() throws IOException {
        file("a.packed", 10 * MIB, Duration.ofDays(9));
        file("b.packed", 10 * MIB, Duration.ofDays(8));
        file("c.packed", 10 * MIB, Duration.ofDays(7));
        Path wanted = folder.path().resolve("d.packed");
        // 30 MiB and 50 free: all together at most 40.
        folder.makeRoom(wanted, 10 * MIB, 50 * MIB);
        assertEquals(List.of("a.packed", "b.packed", "c.packed"), names());
        folder.makeRoom(wanted, 15 * MIB, 50 * MIB);
        assertEquals(List.of("b.packed", "c.packed"), names());
    }

    @Test
    void whatCannotBeDeletedIsPassedOver() throws IOException {
        file("a.packed", 10 * MIB, Duration.ofDays(9));
        Path stuck = Files.createDirectories(folder.path().resolve("b.packed/c")).getParent();
        Files.setLastModifiedTime(stuck, FileTime.from(Instant.now().minus(Duration.ofDays(10))));
        folder.makeRoom(folder.path().resolve("d.packed"), 15 * MIB, 25 * MIB);
        assertEquals(List.of("b.packed"), names());
    }

    @Test
    void whatWasUsedTodayIsNotDeletedForSomethingElse() throws IOException {
        file("a.packed", 10 * MIB, Duration.ofHours(2));
        Path wanted = folder.path().resolve("d.packed");
        IOException refusal =
                assertThrows(IOException.class, () -> folder.makeRoom(wanted, 10 * MIB, 10 * MIB));
        assertEquals(
                "10 MiB are needed beside 10 MiB of other packed weights, all of them may take 10 MiB, half of the free space",
                refusal.getMessage());
        assertEquals(List.of("a.packed"), names());
    }

    @Test
    void aFileThatIsReplacedDoesNotCount() throws IOException {
        Path old = file("a.packed", 10 * MIB, Duration.ofHours(2));
        folder.makeRoom(old, 10 * MIB, 10 * MIB);
        assertEquals(List.of("a.packed"), names());
    }

    @Test
    void whatAKilledWriterLeftIsDeletedUnlessSomebodyWrites() throws IOException {
        file("old.unfinished", 5, Duration.ofHours(2));
        Files.createDirectories(folder.path().resolve("a.unfinished/b"));
        file("fresh.unfinished", 5, Duration.ZERO);
        try (PackedFolder.Hold _ = folder.tryHold().orElseThrow()) {
            assertTrue(folder.tryHold().isEmpty());
            folder.sweep();
            assertEquals(
                    List.of("a.unfinished", "fresh.unfinished", "lock", "old.unfinished"), names());
        }
        folder.sweep();
        assertEquals(List.of("a.unfinished", "lock"), names());
        new PackedFolder(temporary.resolve("none")).sweep();
    }

    @Test
    void aListHasForeignFilesWithTheReasonWhyTheyAreNotUsed() throws IOException {
        file("a.packed", 5000, Duration.ofDays(2));
        file("b.packed", 5, Duration.ofDays(1));
        file("c.text", 5, Duration.ofDays(1));
        Files.createDirectories(folder.path().resolve("d.packed/e"));
        List<PackedFolder.Held> held = folder.list();
        assertEquals(
                List.of("it is no file of packed weights", "it is truncated", "it cannot be read"),
                held.stream().map(PackedFolder.Held::kernels).toList());
        assertTrue(held.stream().allMatch(each -> each.shard().isEmpty()));
        assertEquals(List.of(), new PackedFolder(temporary.resolve("none")).list());
    }

    private Path file(String name, int bytes, Duration age) throws IOException {
        Path file = Files.write(folder.path().resolve(name), new byte[bytes]);
        return Files.setLastModifiedTime(file, FileTime.from(Instant.now().minus(age)));
    }

    private List<String> names() throws IOException {
        try (Stream<Path> files = Files.list(folder.path())) {
            return files.map(each -> each.getFileName() + "").sorted().toList();
        }
    }
}
