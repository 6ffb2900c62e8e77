// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cpu;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import dev.lockstep.kernels.DType;
import dev.lockstep.kernels.RotaryTable;
import java.lang.invoke.MethodHandle;

/// Calls `rotate_and_store.cpp`, `attend.cpp` and `expand.cpp`.
final class NativeAttentionOps implements AttentionOps {
    private final MethodHandle rotateAndStore;
    private final MethodHandle attend;
    private final MethodHandle merge;
    private final MethodHandle readKeys;
    private final MethodHandle storeExpanded;

    NativeAttentionOps(NativeLibrary library) {
        rotateAndStore =
                library.function(
                        "lockstep_rotate_and_store",
                        JAVA_LONG,
                        JAVA_LONG,
                        JAVA_LONG,
                        JAVA_LONG,
                        JAVA_LONG,
                        JAVA_INT,
                        JAVA_INT,
                        JAVA_INT,
                        JAVA_INT,
                        JAVA_INT,
                        JAVA_LONG,
                        JAVA_LONG,
                        JAVA_LONG,
                        JAVA_LONG,
                        JAVA_INT,
                        JAVA_INT,
                        JAVA_LONG,
                        JAVA_LONG,
                        JAVA_LONG,
                        JAVA_LONG);
        attend =
                library.function(
                        "lockstep_attend",
                        JAVA_LONG,
                        JAVA_LONG,
                        JAVA_INT,
                        JAVA_INT,
                        JAVA_LONG,
                        JAVA_INT,
                        JAVA_INT,
                        JAVA_INT,
                        JAVA_FLOAT,
                        JAVA_FLOAT,
                        JAVA_INT,
                        JAVA_INT,
                        JAVA_INT,
                        JAVA_FLOAT,
                        JAVA_LONG,
                        JAVA_LONG,
                        JAVA_INT,
                        JAVA_INT,
                        JAVA_LONG,
                        JAVA_LONG,
                        JAVA_LONG,
                        JAVA_INT,
                        JAVA_INT,
                        JAVA_LONG,
                        JAVA_LONG,
                        JAVA_LONG,
                        JAVA_LONG);
        merge =
                library.function(
                        "lockstep_attend_merge",
                        JAVA_LONG,
                        JAVA_INT,
                        JAVA_INT,
                        JAVA_LONG,
                        JAVA_INT,
                        JAVA_INT,
                        JAVA_LONG,
                        JAVA_FLOAT,
                        JAVA_LONG,
                        JAVA_LONG);
        readKeys =
                library.function(
                        "lockstep_read_keys",
                        JAVA_LONG,
                        JAVA_LONG,
                        JAVA_INT,
                        JAVA_INT,
                        JAVA_LONG,
                        JAVA_LONG,
                        JAVA_LONG,
                        JAVA_LONG,
                        JAVA_LONG);
        storeExpanded =
                library.function(
                        "lockstep_store_expanded",
                        JAVA_LONG,
                        JAVA_LONG,
                        JAVA_LONG,
                        JAVA_LONG,
                        JAVA_LONG,
                        JAVA_INT,
                        JAVA_INT,
                        JAVA_INT,
                        JAVA_INT,
                        JAVA_LONG,
                        JAVA_LONG,
                        JAVA_LONG,
                        JAVA_LONG);
    }

    @Override
    public void rotateAndStore(
            CpuAttentionPlan plan,
            HeadGroups heads,
            long qkv,
            long stride,
            RotaryTable rotary,
            long positions,
            CpuPagedKv kv,
            int layer,
            KvFactors factors,
            int from,
            int to) {
        rotate(
                plan,
                heads,
                qkv,
                stride,
                rotary,
                positions,
                heads.shape().kvHeads(),
                factors,
                kv.address(layer, 0),
                kv.blockBytes(),
                code(kv.type()),
                kv.layout().valuesAreKeys(),
                from,
                to);
    }

    /// Calls the same function as [#rotateAndStore], for a token without KV heads.
    @Override
    public void rotateQueries(
            CpuAttentionPlan plan,
            HeadGroups heads,
            long qkv,
            long stride,
            RotaryTable rotary,
            long positions,
            int from,
            int to) {
        rotate(
                plan,
                heads,
                qkv,
                stride,
                rotary,
                positions,
                0,
                KvFactors.NONE,
                0,
                0,
                0,
                false,
                from,
                to);
    }

    private void rotate(
            CpuAttentionPlan plan,
            HeadGroups heads,
            long qkv,
            long stride,
            RotaryTable rotary,
            long positions,
            int kvHeads,
            KvFactors factors,
            long kv,
            long blockBytes,
            int kvType,
            boolean valuesAreKeys,
            int from,
            int to) {
        try {
            rotateAndStore.invokeExact(
                    qkv,
                    stride,
                    positions,
                    rotary.cos().pointer().address(),
                    rotary.sin().pointer().address(),
                    rotary.dimensions() / 2,
                    heads.shape().queryHeads(),
                    kvHeads,
                    heads.shape().headSize(),
                    heads.shape().valueSize(),
                    factors.keys(),
                    factors.values(),
                    kv,
                    blockBytes,
                    kvType,
                    valuesAreKeys ? 1 : 0,
                    plan.tokenBlocks(),
                    plan.tokenOffsets(),
                    (long) from,
                    (long) to);
        } catch (Throwable failure) {
            throw NativeLibrary.rethrow(failure);
        }
    }

    @Override
    public void attend(
            AttentionTile tile,
            AttentionTile next,
            HeadGroups heads,
            long qkv,
            long stride,
            CpuPagedKv kv,
            int layer,
            KvFactors factors,
            long sinks,
            long out,
            long outStride,
            long scratch) {
        int nextBlock = next.firstBlock(heads.shape());
        boolean whole = tile.segment() == AttentionTile.WHOLE;
        try {
            attend.invokeExact(
                    qkv + tile.token() * stride * 4,
                    stride,
                    tile.tokens(),
                    tile.position(),
                    heads.address(tile.kvHead()),
                    heads.size(tile.kvHead()),
                    heads.shape().headSize(),
                    heads.shape().valueSize(),
                    heads.shape().scale() * factors.ofKeys(tile.kvHead()),
                    factors.ofValues(tile.kvHead()),
                    Math.min(heads.shape().window(), tile.position() + tile.tokens()),
                    Math.min(heads.shape().ahead(), tile.length()),
                    tile.length(),
                    heads.shape().softCap(),
                    kv.address(layer, tile.kvHead()),
                    kv.blockBytes(),
                    code(kv.type()),
                    kv.layout().valuesAreKeys() ? 1 : 0,
                    tile.blockTable(),
                    kv.address(layer, next.kvHead()),
                    next.blockTable() + 4L * nextBlock,
                    next.equals(tile)
                            ? 0
                            : next.lastSeen(heads.shape()) / CpuPagedKv.BLOCK - nextBlock + 1,
                    tile.segment(),
                    sinks,
                    whole ? out + tile.token() * outStride * 4 : tile.states(),
                    outStride,
                    scratch);
        } catch (Throwable failure) {
            throw NativeLibrary.rethrow(failure);
        }
    }

    @Override
    public void readKeys(
            CpuPagedKv kv, int layer, long table, int from, int to, long out, long stride) {
        try {
            readKeys.invokeExact(
                    kv.address(layer, 0),
                    kv.blockBytes(),
                    code(kv.type()),
                    kv.layout().headSize(),
                    table,
                    (long) from,
                    (long) to,
                    out,
                    stride);
        } catch (Throwable failure) {
            throw NativeLibrary.rethrow(failure);
        }
    }

    @Override
    public void storeExpanded(
            long rows,
            long stride,
            long shared,
            long sharedStride,
            int rest,
            CpuPagedKv kv,
            int first,
            int from,
            int to) {
        try {
            storeExpanded.invokeExact(
                    rows,
                    stride,
                    shared,
                    sharedStride,
                    (long) first,
                    kv.layout().kvHeads(),
                    kv.layout().headSize() - rest,
                    rest,
                    kv.layout().valueSize(),
                    kv.address(0, 0) + kv.blockBytes(),
                    kv.blockBytes(),
                    (long) from,
                    (long) to);
        } catch (Throwable failure) {
            throw NativeLibrary.rethrow(failure);
        }
    }

    @Override
    public void merge(
            AttentionMerge merged,
            HeadGroups heads,
            KvFactors factors,
            long sinks,
            long out,
            long outStride) {
        try {
            merge.invokeExact(
                    merged.states(),
                    merged.segments(),
                    merged.tokens(),
                    heads.address(merged.kvHead()),
                    heads.size(merged.kvHead()),
                    heads.shape().valueSize(),
                    sinks,
                    factors.ofValues(merged.kvHead()),
                    out + merged.token() * outStride * 4,
                    outStride);
        } catch (Throwable failure) {
            throw NativeLibrary.rethrow(failure);
        }
    }

    /// Returns the number of a KV type in the C++ files.
    private static int code(DType type) {
        return switch (type) {
            case F32 -> 0;
            case F16 -> 1;
            case BF16 -> 2;
            case I8 -> 3;
            case FP8 -> 4;
            case I32 -> throw new IllegalArgumentException("KV type " + type);
        };
    }
}
