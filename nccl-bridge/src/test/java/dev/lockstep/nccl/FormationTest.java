// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.nccl;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.FileTime;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.concurrent.Callable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

final class FormationTest {
    private static final Duration SHORT = Duration.ofMillis(400);

    /// For ranks that time out together, though a busy machine starts one of them late.
    private static final Duration LONGER = Duration.ofSeconds(2);

    private HostGroup group;

    @BeforeEach
    void makeFolder() throws IOException {
        group = new HostGroup();
    }

    @AfterEach
    void nothingIsLeftInSharedMemory() throws IOException {
        List<?> left = group.files();
        group.close();
        assertEquals(List.of(), left);
    }

    @Test
    void missingRanksAreNamedOnAllPresentRanks() throws Exception {
        Rendezvous rendezvous = group.rendezvous(4);
        List<String> messages =
                messages(
                        new Formation(rendezvous, 0, 64, Meeting.within(LONGER)),
                        new Formation(rendezvous, 2, 64, Meeting.within(LONGER)));
        String expected =
                "ranks [1, 3] of 4 did not join %s within 2.0 s".formatted(rendezvous.file());
        assertEquals(List.of(expected, expected), messages);
    }

    @Test
    void aMissingRankZeroIsNamed() throws Exception {
        Rendezvous rendezvous = group.rendezvous(2);
        assertEquals(
                List.of(
                        "rank 0 did not create %s within 0.4 s, rank 1 waited"
                                .formatted(rendezvous.file())),
                messages(new Formation(rendezvous, 1, 64, Meeting.within(SHORT))));
    }

    @Test
    void anAbortEndsTheWaitForRanksThatDoNotCome() {
        Rendezvous rendezvous = group.rendezvous(2);
        var meeting =
                new Meeting(
                        HostGroup.TIMEOUT,
                        () -> Files.exists(rendezvous.file()) ? "an epoch begins" : "");
        CommunicatorAbortedException aborted =
                assertThrows(
                        CommunicatorAbortedException.class,
                        new Formation(rendezvous, 0, 64, meeting)::join);
        assertEquals("aborted by rank 0: an epoch begins", aborted.getMessage());
    }

    @Test
    void aDifferenceIsRefusedOnBothRanksNamingBothValues() throws Exception {
        Rendezvous mine = group.rendezvous(2);
        assertDiffers(
                "epoch differs: rank 1 has 8, rank 0 has 7",
                new Formation(mine, 0, 64, HostGroup.MEETING),
                new Formation(
                        new Rendezvous(mine.name(), 8, 2, group.folder), 1, 64, HostGroup.MEETING));
        assertDiffers(
                "group size differs: rank 1 has 3, rank 0 has 2",
                new Formation(mine, 0, 64, HostGroup.MEETING),
                new Formation(
                        new Rendezvous(mine.name(), 7, 3, group.folder), 1, 64, HostGroup.MEETING));
        assertDiffers(
                "bytes for collectives differs: rank 1 has 128, rank 0 has 64",
                new Formation(mine, 0, 64, HostGroup.MEETING),
                new Formation(mine, 1, 128, HostGroup.MEETING));
    }

    private static void assertDiffers(String expected, Formation first, Formation second)
            throws Exception {
        assertEquals(List.of(expected, expected), messages(first, second));
    }

    @Test
    void aRankClaimedTwiceIsRefused() throws Exception {
        Rendezvous rendezvous = group.rendezvous(3);
        long pid = ProcessHandle.current().pid();
        String expected =
                "rank 1 is taken by process %d, and process %d claims it".formatted(pid, pid);
        assertEquals(
                List.of(expected, expected, expected),
                messages(
                        new Formation(rendezvous, 0, 64, HostGroup.MEETING),
                        new Formation(rendezvous, 1, 64, HostGroup.MEETING),
                        new Formation(rendezvous, 1, 64, HostGroup.MEETING)));
    }

    @Test
    void tooLittleSharedMemoryIsReportedInBytes() throws Exception {
        var formation = new Formation(group.rendezvous(1), 0, 1L << 50, Meeting.within(SHORT));
        String message =
                assertThrows(OutOfSharedMemoryException.class, formation::join).getMessage() + "";
        assertTrue(message.contains("bytes free, the group needs 11258"), message);
    }

    /// `/dev/full` refuses every write, as a folder does whose space another process has taken.
    @Test
    void sharedMemoryThatRunsOutWhileItIsFilledIsReportedInBytes() throws Exception {
        Path full = Path.of("/dev/full");
        var header =
                new RegionHeader(new RegionLayout(1, 1L << 50), 7, ProcessIdentity.own(), false);
        try (FileChannel file = FileChannel.open(full, StandardOpenOption.WRITE)) {
            String message =
                    assertThrows(
                                            OutOfSharedMemoryException.class,
                                            () -> RegionFile.write(full, file, header))
                                    .getMessage()
                            + "";
            assertTrue(message.startsWith("/dev has "), message);
        }
    }

    @Test
    void whileTheGroupFormsOnlyTheOwnerCanAccessTheFile() throws Exception {
        Rendezvous rendezvous = group.rendezvous(2);
        Callable<String> zero = () -> join(new Formation(rendezvous, 0, 64, HostGroup.MEETING));
        Callable<String> one =
                () -> {
                    while (!Files.exists(rendezvous.file())) {
                        Thread.sleep(1);
                    }
                    String permissions =
                            PosixFilePermissions.toString(
                                    Files.getPosixFilePermissions(rendezvous.file()));
                    return permissions + join(new Formation(rendezvous, 1, 64, HostGroup.MEETING));
                };
        assertEquals("rw-------", HostGroup.together(List.of(zero, one)).getLast());
    }

    private static String join(Formation formation) {
        formation.join().close();
        return "";
    }

    @Test
    void anEmptyFileIsRemovedAsALeftoverOnlyWhenItIsOld() throws Exception {
        Path fresh = Files.createFile(group.folder.resolve("lockstep-fresh"));
        Path old = Files.createFile(group.folder.resolve("lockstep-old"));
        Path foreign = Files.createFile(group.folder.resolve("another-program"));
        for (Path path : List.of(old, foreign)) {
            Files.setLastModifiedTime(path, FileTime.from(Instant.now().minusSeconds(120)));
        }
        new Formation(group.rendezvous(1), 0, 64, HostGroup.MEETING).join().close();
        assertEquals(Set.of(fresh, foreign), Set.copyOf(group.files()));
        Files.delete(fresh);
        Files.delete(foreign);
    }

    @Test
    void aNameCannotLeaveItsFolder() {
        for (String name : new String[] {"", "../x", "a/b", "a b", "x".repeat(129)}) {
            assertThrows(
                    IllegalArgumentException.class,
                    () -> new Rendezvous(name, 1, 2, Path.of("/dev/shm")));
        }
    }

    /// Returns the message with which each formation failed.
    private static List<String> messages(Formation... formations) throws Exception {
        List<Callable<String>> tasks = new ArrayList<>();
        for (Formation formation : formations) {
            tasks.add(() -> message(formation));
        }
        return HostGroup.together(tasks);
    }

    private static String message(Formation formation) {
        return String.valueOf(
                assertThrows(RendezvousException.class, formation::join).getMessage());
    }
}
