// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator.engine;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.lockstep.cluster.BlockHash;
import dev.lockstep.cluster.BlockHasher;
import dev.lockstep.cluster.CacheDomain;
import dev.lockstep.cluster.PromptSpans;
import java.nio.ByteBuffer;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

final class PromptBlocksTest {
    private static final BlockHasher HASHER = new BlockHasher(new byte[BlockHasher.KEY_BYTES]);
    private static final int[] PROMPT = IntStream.range(0, 40).toArray();

    /// Returns an index with the first blocks of the prompt.
    private static BlockIndex holding(int blocks, int blockSize, long... domain) {
        ByteBuffer names = ByteBuffer.allocate(BlockHash.BYTES * blocks);
        BlockHash name = HASHER.root(domain);
        for (int block = 0; block < blocks; block++) {
            name = HASHER.next(name, PROMPT, block * blockSize, blockSize);
            names.put(name.toBytes());
        }
        var index = new BlockIndex();
        index.replace(names.flip());
        return index;
    }

    private static PromptBlocks prompt(RequestOptions options) {
        return new PromptBlocks(Optional.of(HASHER), options, PROMPT);
    }

    @Test
    void tokensOfWholeBlocksAreCounted() {
        assertEquals(16, prompt(RequestOptions.NONE).cachedTokens(holding(2, 8), 8, 0));
    }

    @Test
    void theLastTokenIsAlwaysComputed() {
        assertEquals(32, prompt(RequestOptions.NONE).cachedTokens(holding(5, 8), 8, 0));
    }

    @Test
    void groupsMayHaveDifferentBlockSizes() {
        PromptBlocks prompt = prompt(RequestOptions.NONE);
        assertEquals(24, prompt.cachedTokens(holding(3, 8), 8, 0));
        assertEquals(16, prompt.cachedTokens(holding(1, 16), 16, 0));
        assertEquals(0, prompt.cachedTokens(holding(3, 8), 16, 0));
        assertEquals(0, prompt.cachedTokens(holding(3, 8), 64, 0));
    }

    @Test
    void blocksOfAnotherTenantAreNotFound() {
        var acme = new RequestOptions("acme", 0, false, OptionalLong.empty(), "", 0, 0);
        BlockIndex index = holding(3, 8, CacheDomain.of("acme", "", ""));
        assertEquals(24, prompt(acme).cachedTokens(index, 8, 0));
        assertEquals(0, prompt(RequestOptions.NONE).cachedTokens(index, 8, 0));
        assertEquals(0, prompt(acme).cachedTokens(holding(3, 8), 8, 0));
    }

    @Test
    void withoutTheKeyOrABlockSizeNoTokensCountAsCached() {
        var withoutKey = new PromptBlocks(Optional.empty(), RequestOptions.NONE, PROMPT);
        assertEquals(0, withoutKey.cachedTokens(holding(3, 8), 8, 0));
        assertEquals(0, prompt(RequestOptions.NONE).cachedTokens(holding(3, 8), 0, 0));
    }

    /// Blocks of the same tokens outside the spans have other names.
    @Test
    void blocksOfSpansAreNamedOtherwise() {
        var blocks = new long[2 * 4];
        int[] named = PromptSpans.named(PROMPT, 16);
        HASHER.chain(HASHER.root(), named, 32, 8, blocks);
        var names = ByteBuffer.allocate(blocks.length * Long.BYTES);
        for (long word : blocks) {
            names.putLong(word);
        }
        var index = new BlockIndex();
        index.replace(names.flip());
        PromptBlocks prompt = prompt(RequestOptions.NONE);
        assertEquals(32, prompt.cachedTokens(index, 8, 16));
        assertEquals(0, prompt.cachedTokens(index, 8, 0));
        assertEquals(0, prompt.cachedTokens(holding(3, 8), 8, 16));
    }
}
