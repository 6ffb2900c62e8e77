// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

import java.lang.foreign.MemorySegment;
import java.util.Optional;

/// Decodes the rows of a matrix from one of them on.
record LaterRows(WeightDecoder whole, int first) implements WeightDecoder {

    @Override
    public void decode(int row, int from, int to, MemorySegment target, long offset) {
        whole.decode(first + row, from, to, target, offset);
    }

    @Override
    public Optional<Plain> fallback() {
        return whole.fallback().map(this::later);
    }

    @Override
    public Optional<Plain> expectedFallback() {
        return whole.expectedFallback().map(this::later);
    }

    @Override
    public Optional<Plain> inPlainType() {
        return whole.inPlainType().map(this::later);
    }

    @Override
    public Optional<int[]> columnOrder() {
        return whole.columnOrder();
    }

    private Plain later(Plain plain) {
        return new Plain(plain.type(), new LaterRows(plain.decoder(), first));
    }
}
