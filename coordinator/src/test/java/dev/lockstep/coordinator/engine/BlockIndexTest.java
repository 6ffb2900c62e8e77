// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator.engine;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.lockstep.cluster.BlockHash;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;

final class BlockIndexTest {
    private static final ByteBuffer NO_NAMES = ByteBuffer.allocate(0);

    private final BlockIndex index = new BlockIndex();

    private static ByteBuffer bytes(Iterable<BlockHash> names) {
        List<BlockHash> list = new ArrayList<>();
        names.forEach(list::add);
        ByteBuffer bytes = ByteBuffer.allocate(BlockHash.BYTES * list.size());
        list.forEach(name -> bytes.put(name.toBytes()));
        return bytes.flip();
    }

    private int prefix(BlockHash... names) {
        long[] halves = new long[2 * names.length];
        for (int i = 0; i < names.length; i++) {
            halves[2 * i] = names[i].high();
            halves[2 * i + 1] = names[i].low();
        }
        return index.prefixBlocks(halves, names.length);
    }

    @Test
    void aPrefixEndsAtTheFirstMissingBlock() {
        var a = new BlockHash(1, 1);
        var b = new BlockHash(2, 2);
        var c = new BlockHash(3, 3);
        index.replace(bytes(List.of(a, c)));
        assertEquals(1, prefix(a, b, c));
        index.change(NO_NAMES, bytes(List.of(b)));
        assertEquals(3, prefix(a, b, c));
        index.change(bytes(List.of(a)), NO_NAMES.duplicate());
        assertEquals(0, prefix(a, b, c));
        assertEquals(0, prefix());
    }

    @Test
    void aNameBothRemovedAndStoredIsPresent() {
        var a = new BlockHash(1, 1);
        index.change(NO_NAMES, bytes(List.of(a)));
        index.change(bytes(List.of(a)), bytes(List.of(a)));
        assertEquals(1, prefix(a));
    }

    /// The names have few different home slots, some at the end of the array, so that a removal has
    /// to move others.
    @Test
    void theIndexEqualsASetAfterRandomChanges() {
        var random = new SplittableRandom(7);
        Set<BlockHash> expected = new HashSet<>();
        List<BlockHash> universe = new ArrayList<>();
        for (int i = 0; i < 3000; i++) {
            universe.add(new BlockHash(random.nextLong(), random.nextInt(40) - 20));
        }
        for (int round = 0; round < 400; round++) {
            Set<BlockHash> removed = some(universe, random);
            Set<BlockHash> stored = some(universe, random);
            index.change(bytes(removed), bytes(stored));
            expected.removeAll(removed);
            expected.addAll(stored);
            assertEquals(expected.size(), index.size(), "round " + round);
            index.checkIntegrity();
        }
        for (BlockHash name : universe) {
            assertEquals(expected.contains(name) ? 1 : 0, prefix(name));
        }
        index.replace(bytes(List.of(universe.getFirst())));
        assertEquals(1, index.size());
        index.checkIntegrity();
        index.clear();
        assertEquals(0, index.size());
    }

    private static Set<BlockHash> some(List<BlockHash> universe, SplittableRandom random) {
        Set<BlockHash> some = new HashSet<>();
        int count = random.nextInt(12);
        for (int i = 0; i < count; i++) {
            some.add(universe.get(random.nextInt(universe.size())));
        }
        return some;
    }

    @Test
    void namesBeyondTheLimitAreIgnored() {
        var random = new SplittableRandom(8);
        int more = 1000;
        ByteBuffer names = ByteBuffer.allocate(BlockHash.BYTES * (BlockIndex.MAX_BLOCKS + more));
        while (names.hasRemaining()) {
            names.putLong(random.nextLong());
        }
        index.replace(names.flip());
        assertEquals(BlockIndex.MAX_BLOCKS, index.size());
    }

    @Test
    void invalidNamesAreRefusedAndChangeNothing() {
        var a = new BlockHash(1, 1);
        index.replace(bytes(List.of(a)));
        ByteBuffer odd = ByteBuffer.allocate(17);
        assertThrows(IllegalArgumentException.class, () -> index.replace(odd));
        assertThrows(IllegalArgumentException.class, () -> index.change(bytes(List.of(a)), odd));
        assertEquals(1, prefix(a));
    }
}
