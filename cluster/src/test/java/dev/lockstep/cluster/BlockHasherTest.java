// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cluster;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import com.sun.management.ThreadMXBean;
import java.lang.management.ManagementFactory;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.HashSet;
import java.util.HexFormat;
import java.util.List;
import java.util.Set;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;

class BlockHasherTest {

    /// The published vectors of SipHash-2-4-128 for key 00 01 … 0f and messages 00 01 … of 24, 28 …
    /// 60 bytes.
    private static final List<String> VECTORS =
            List.of(
                    "2db479ae78bd50d8882a8a178a6132ad",
                    "0664da1668574b88b935f3027358aef4",
                    "7c3956ca5eeafc3e363e9d556546eb68",
                    "3dc47d1f29c448461e9e76ed904f6711",
                    "df6a301e95c95dad97ae0cc8c6913bd8",
                    "89237d9ded9c5e78d8b1c9b166cc7342",
                    "f7e5aef549f782cf379055a608269b16",
                    "2c97325cbd06b36eb2133dd08b3a017c",
                    "1938f2cf72d54ee97e94166fa91d2a36",
                    "e3040c00eb28f15366ca73cbd872e740");

    private final BlockHasher hasher = new BlockHasher(counting(16));

    @Test
    void agreesWithThePublishedVectors() {
        for (int i = 0; i < VECTORS.size(); i++) {
            ByteBuffer message =
                    ByteBuffer.wrap(counting(24 + 4 * i)).order(ByteOrder.LITTLE_ENDIAN);
            long first = message.getLong();
            long second = message.getLong();
            long third = message.getLong();
            int[] ints = new int[i];
            for (int j = 0; j < i; j++) {
                ints[j] = message.getInt();
            }
            long[] out = new long[2];
            hasher.sipHash(first, second, third, ints, 0, i, out, 0);
            byte[] bytes =
                    ByteBuffer.allocate(16)
                            .order(ByteOrder.LITTLE_ENDIAN)
                            .putLong(out[0])
                            .putLong(out[1])
                            .array();
            assertEquals(VECTORS.get(i), HexFormat.of().formatHex(bytes));
        }
    }

    @Test
    void aHashDependsOnKeyDomainParentAndEveryToken() {
        int[] tokens = {1, 2, 3, 4};
        BlockHash root = hasher.root(7, 0, 1);
        Set<BlockHash> all = new HashSet<>();
        all.add(root);
        all.add(hasher.root());
        all.add(hasher.root(0));
        all.add(hasher.root(7, 0, 2));
        all.add(new BlockHasher(new byte[16]).next(root, tokens, 0, 4));
        all.add(hasher.next(hasher.root(), tokens, 0, 4));
        BlockHash hash = hasher.next(root, tokens, 0, 4);
        all.add(hash);
        all.add(hasher.next(hash, tokens, 0, 4));
        all.add(hasher.next(root, tokens, 0, 3));
        all.add(hasher.next(root, new int[] {1, 2, 3, 0}, 0, 4));
        all.add(hasher.next(root, new int[] {2, 1, 3, 4}, 0, 4));
        assertEquals(11, all.size());
    }

    @Test
    void aChainNamesEveryFullBlockAndEqualPrefixesAlike() {
        var random = new SplittableRandom(1);
        int[] tokens = random.ints(50, 0, 50_000).toArray();
        int[] other = tokens.clone();
        other[40] = other[40] + 1;
        long[] hashes = new long[6];
        long[] otherHashes = new long[6];
        BlockHash root = hasher.root(3);

        assertEquals(3, hasher.chain(root, tokens, 50, 16, hashes));
        assertEquals(3, hasher.chain(root, other, 50, 16, otherHashes));

        BlockHash expected = root;
        for (int block = 0; block < 3; block++) {
            expected = hasher.next(expected, tokens, 16 * block, 16);
            assertEquals(expected, new BlockHash(hashes[2 * block], hashes[2 * block + 1]));
        }
        assertEquals(hashes[2], otherHashes[2]);
        assertNotEquals(hashes[4], otherHashes[4]);
    }

    @Test
    void hashingABlockAllocatesNothing() {
        int[] tokens = new int[16];
        long[] out = new long[2];
        var threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
        hasher.next(0, 0, tokens, 0, 16, out, 0);
        long before = threads.getCurrentThreadAllocatedBytes();
        for (int i = 0; i < 1000; i++) {
            hasher.next(out[0], out[1], tokens, 0, 16, out, 0);
        }
        // Reading the counter may itself allocate a little; a thousand objects would be 16 000
        // bytes.
        long allocated = threads.getCurrentThreadAllocatedBytes() - before;
        assertEquals(0, allocated / 1000, "bytes per block");
    }

    @Test
    void aHashRoundTripsThroughBytes() {
        BlockHash hash = hasher.root(42);
        assertEquals(hash, BlockHash.fromBytes(hash.toBytes()));
        assertEquals(HexFormat.of().formatHex(hash.toBytes()), hash.toString());
        assertThrows(IllegalArgumentException.class, () -> BlockHash.fromBytes(new byte[15]));
        assertThrows(IllegalArgumentException.class, () -> new BlockHasher(new byte[17]));
    }

    private static byte[] counting(int length) {
        byte[] bytes = new byte[length];
        for (int i = 0; i < length; i++) {
            bytes[i] = (byte) i;
        }
        return bytes;
    }
}
