// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lockstep.cluster.process.OwnerOnly;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// Both places of stored responses pass the same tests.
final class ResponseStoreTest {
    private static final ResponseOwner A = ResponseOwner.of("a", "key");
    private static final ResponseOwner B = ResponseOwner.of("b", "key");

    @TempDir private Path folder;

    private ResponseStore store(boolean inFolder, int count, long bytes) {
        return ResponseStore.open(
                new ResponseBounds(
                        count,
                        bytes,
                        inFolder ? Optional.of(folder.resolve("stored")) : Optional.empty()));
    }

    private static String id(int number) {
        return "resp_%032x".formatted(number);
    }

    private static List<Integer> found(ResponseStore store, ResponseOwner owner, int count)
            throws IOException {
        List<Integer> found = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            if (store.find(owner, id(i)).isPresent()) {
                found.add(i);
            }
        }
        return found;
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void onlyItsOwnerFindsAndRemovesAResponse(boolean inFolder) throws Exception {
        ResponseStore store = store(inFolder, 10, 100);
        store.put(A, id(1), new byte[] {7, 8});
        assertArrayEquals(new byte[] {7, 8}, store.find(A, id(1)).orElseThrow());
        assertTrue(store.find(B, id(1)).isEmpty());
        assertFalse(store.remove(B, id(1)));
        assertTrue(store.remove(A, id(1)));
        assertFalse(store.remove(A, id(1)));
        assertTrue(store.find(A, id(1)).isEmpty());
        assertTrue(store.find(A, "../x").isEmpty());
        assertFalse(store.remove(A, "../x"));
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void theOldestOfAnOwnerGoFirst(boolean inFolder) throws Exception {
        ResponseStore store = store(inFolder, 3, 100);
        store.put(B, id(100), new byte[60]);
        for (int i = 0; i < 5; i++) {
            store.put(A, id(i), new byte[10]);
        }
        assertEquals(List.of(2, 3, 4), found(store, A, 5));
        store.put(A, id(5), new byte[75]);
        assertEquals(List.of(3, 4, 5), found(store, A, 6));
        store.put(A, id(6), new byte[95]);
        assertEquals(List.of(6), found(store, A, 7));
        store.put(A, id(7), new byte[101]);
        assertEquals(List.of(6), found(store, A, 8));
        assertTrue(store.find(B, id(100)).isPresent());
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void allOwnersTogetherAreBounded(boolean inFolder) throws Exception {
        ResponseStore store = store(inFolder, 3, 100);
        for (int i = 0; i < 6; i++) {
            store.put(ResponseOwner.of("owner " + i, ""), id(i), new byte[90]);
        }
        int found = 0;
        for (int i = 0; i < 6; i++) {
            found += store.find(ResponseOwner.of("owner " + i, ""), id(i)).isPresent() ? 1 : 0;
        }
        assertEquals(4, found);
        assertTrue(store.find(ResponseOwner.of("owner 5", ""), id(5)).isPresent());
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void noneIsStoredWhereNoneMayBe(boolean inFolder) throws Exception {
        ResponseStore store = store(inFolder, 0, 100);
        store.put(A, id(1), new byte[1]);
        assertTrue(store.find(A, id(1)).isEmpty());
    }

    @Test
    void aFolderIsReadAtTheNextStartWithinItsBounds() throws Exception {
        ResponseStore first = store(true, 10, 100);
        for (int i = 0; i < 4; i++) {
            first.put(A, id(i), "{\"a\":\"bcd\"}".getBytes(StandardCharsets.UTF_8));
            Path file = folder.resolve("stored").resolve(A.name()).resolve(id(i) + ".json");
            assertEquals(OwnerOnly.FILE.value(), Files.getPosixFilePermissions(file));
            assertEquals(OwnerOnly.FOLDER.value(), Files.getPosixFilePermissions(file.getParent()));
            Files.setLastModifiedTime(file, FileTime.fromMillis(1_000_000L - i));
        }
        for (String broken : List.of(id(5) + ".json", id(6) + ".json", "x.json", "notes")) {
            Path file = folder.resolve("stored").resolve(A.name()).resolve(broken);
            Files.writeString(file, broken.contains("5") ? "" : "{\"a\":");
        }
        Path unfinished = folder.resolve("stored").resolve(A.name()).resolve(id(9) + ".part");
        Files.write(unfinished, new byte[3]);
        ResponseStore second = store(true, 2, 100);
        assertEquals(List.of(0, 1), found(second, A, 4));
        assertFalse(Files.exists(unfinished));
        assertEquals(List.of(0, 1, 5, 6), found(second, A, 8));
        try (Stream<Path> files = Files.list(folder.resolve("stored").resolve(A.name()))) {
            // With those that are not ours, which nobody removes.
            assertEquals(2 + 4, files.count());
        }
    }

    @Test
    void aFolderThatCannotBeUsedIsRefusedAtTheStart() throws Exception {
        Files.write(folder.resolve("stored"), new byte[1]);
        UncheckedIOException refused =
                assertThrows(UncheckedIOException.class, () -> store(true, 1, 1));
        String message = refused.getMessage() + "";
        assertTrue(message.contains("--responses-folder"), message);
    }

    @Test
    void anOwnerDependsOnTenantAndKeyAlike() {
        assertFalse(ResponseOwner.of("ab", "c").equals(ResponseOwner.of("a", "bc")));
        assertEquals(A, ResponseOwner.of("a", "key"));
    }
}
