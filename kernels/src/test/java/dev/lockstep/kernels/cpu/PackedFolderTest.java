// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cpu;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.ByteBuffer;
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
    private static final PackedLabel WANTED = label("0123456789abcdef", "fedcba9876543210");

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
        // 30 MiB and 50 free: all together at most 40.
        folder.makeRoom(WANTED, 10 * MIB, 50 * MIB);
        assertEquals(List.of("a.packed", "b.packed", "c.packed"), names());
        folder.makeRoom(WANTED, 15 * MIB, 50 * MIB);
        assertEquals(List.of("b.packed", "c.packed"), names());
    }

    @Test
    void anotherCopyOfTheModelMakesRoomFirst() throws IOException {
        PackedLabel copy = label("0123456789abcdef", "0000000076543210");
        PackedLabel model = label("1123456789abcdef", "fedcba9876543210");
        packed(model, Duration.ofDays(9));
        packed(copy, Duration.ofDays(2));
        folder.makeRoom(WANTED, 10 * MIB, 20 * MIB);
        assertEquals(List.of(model.fileName()), names());
        packed(copy, Duration.ofHours(2));
        folder.makeRoom(WANTED, 10 * MIB, 20 * MIB);
        assertEquals(List.of(copy.fileName()), names());
    }

    @Test
    void whatCannotBeDeletedIsPassedOver() throws IOException {
        file("a.packed", 10 * MIB, Duration.ofDays(9));
        Path stuck = Files.createDirectories(folder.path().resolve("b.packed/c")).getParent();
        Files.setLastModifiedTime(stuck, FileTime.from(Instant.now().minus(Duration.ofDays(10))));
        folder.makeRoom(WANTED, 15 * MIB, 25 * MIB);
        assertEquals(List.of("b.packed"), names());
    }

    @Test
    void whatWasUsedTodayIsNotDeletedForSomethingElse() throws IOException {
        file("a.packed", 10 * MIB, Duration.ofHours(2));
        IOException refusal =
                assertThrows(IOException.class, () -> folder.makeRoom(WANTED, 10 * MIB, 10 * MIB));
        assertEquals(
                "10 MiB are needed beside 10 MiB of other packed weights, all of them may take 10 MiB, half of the free space",
                refusal.getMessage());
        assertEquals(List.of("a.packed"), names());
    }

    @Test
    void aFileThatIsReplacedDoesNotCount() throws IOException {
        file(WANTED.fileName(), 10 * MIB, Duration.ofHours(2));
        folder.makeRoom(WANTED, 10 * MIB, 10 * MIB);
        assertEquals(List.of(WANTED.fileName()), names());
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

    private static PackedLabel label(String content, String stamp) {
        var shard = new PackedShard("a model", content, stamp, 0, 1, "bf16");
        return new PackedLabel(shard, new PackedLayout("vector_api", 1));
    }

    /// A file of 10 MiB with this label and no segment.
    private void packed(PackedLabel label, Duration age) throws IOException {
        Path file = file(label.fileName(), 10 * MIB, age);
        byte[] bytes = Files.readAllBytes(file);
        PackedFile.preamble(label, bytes.length, 0, ByteBuffer.allocate(0))
                .get(bytes, 0, PackedFile.PREAMBLE_BYTES);
        Files.write(file, bytes);
        Files.setLastModifiedTime(file, FileTime.from(Instant.now().minus(age)));
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
