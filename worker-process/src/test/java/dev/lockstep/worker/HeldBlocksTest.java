package dev.lockstep.worker;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.lockstep.cluster.BlockHash;
import dev.lockstep.kernels.DType;
import dev.lockstep.kernels.KvLayout;
import dev.lockstep.kernels.PagedKv;
import java.util.List;
import org.junit.jupiter.api.Test;

class HeldBlocksTest {
    private static final BlockHash NAME = new BlockHash(1, 2);

    @Test
    void aBlockThatAnotherGroupOfItsMemoryWritesLosesItsName() {
        PagedKv shared = new Blocks();
        HeldBlocks held = new HeldBlocks(List.of(shared, shared, new Blocks()));
        held.named(0, 3, NAME);
        held.named(2, 3, NAME);
        held.written(1, 3);
        assertEquals(List.of(), held.blocks(0));
        assertEquals(List.of(3), held.blocks(2));
    }

    private static final class Blocks implements PagedKv {
        @Override
        public KvLayout layout() {
            return new KvLayout(1, 1, 16, DType.F32, 16);
        }

        @Override
        public int blocks() {
            return 8;
        }

        @Override
        public void close() {}
    }
}
