// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cpu;

import dev.lockstep.kernels.DType;
import dev.lockstep.kernels.WeightRows;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.ref.Reference;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;

/// The packing of stored rows into tiles on all threads of the team, which reads each source page
/// once and gives it back: a mapped checkpoint leaves no second copy in this process's memory.
final class WeightPacker {
    private static final int[] IN_ORDER = {};

    private final MatmulOps ops;
    private final ThreadTeam team;
    private final CpuMemory memory;
    private final Optional<PackedCache> packed;

    WeightPacker(MatmulOps ops, ThreadTeam team, CpuMemory memory, Optional<PackedCache> packed) {
        this.ops = ops;
        this.team = team;
        this.memory = memory;
        this.packed = packed;
    }

    CpuWeight pack(List<WeightRows> sources, DType compute) {
        int columns = sources.isEmpty() ? 0 : sources.getFirst().columns();
        var segments = new ArrayList<CpuWeight.Segment>();
        int rows = 0;
        int tiles = 0;
        for (WeightRows source : sources) {
            if (source.columns() != columns) {
                throw new IllegalArgumentException(
                        "%s has %d columns, %s has %d"
                                .formatted(
                                        source.name(),
                                        source.columns(),
                                        sources.getFirst().name(),
                                        columns));
            }
            if (source.rows().length > 0) {
                CpuWeight.Segment segment =
                        pack(
                                source,
                                WeightFormat.of(source.type(), compute),
                                rows,
                                tiles,
                                columnOrder(source, segments));
                segments.add(segment);
                rows += segment.rows();
                tiles += segment.tiles();
            }
        }
        return new CpuWeight(ops, rows, columns, List.copyOf(segments));
    }

    /// Returns the array of an earlier segment of the same order.
    private static Optional<int[]> columnOrder(
            WeightRows source, List<CpuWeight.Segment> segments) {
        for (CpuWeight.Segment each : segments) {
            if (Arrays.equals(
                    each.columnOrder().orElse(IN_ORDER), source.columnOrder().orElse(IN_ORDER))) {
                return each.columnOrder();
            }
        }
        return source.columnOrder();
    }

    private CpuWeight.Segment pack(
            WeightRows source,
            WeightFormat format,
            int row,
            int tile,
            Optional<int[]> columnOrder) {
        int tiles = (source.rows().length + MatmulOps.TILE_ROWS - 1) / MatmulOps.TILE_ROWS;
        long bytes = tiles * ops.tileBytes(format, source.columns(), source.skippedColumns());
        // A rank may have no column of a matrix; there is nothing to keep then.
        long address =
                packed.filter(_ -> source.columns() > 0)
                        .map(
                                cache ->
                                        cache.segment(
                                                source,
                                                format,
                                                bytes,
                                                () -> pack(source, format, tiles, bytes)))
                        .orElseGet(() -> pack(source, format, tiles, bytes));
        release(source.data());
        return new CpuWeight.Segment(
                format,
                address,
                source.skippedColumns(),
                row,
                source.rows().length,
                tile,
                columnOrder);
    }

    /// Returns the address of the packed tiles.
    private long pack(WeightRows source, WeightFormat format, int tiles, long bytes) {
        long target = memory.reserve(bytes);
        try (Arena arena = Arena.ofShared()) {
            MatmulOps.WeightSource stored = stored(source, arena);
            team.run(
                    (thread, threads) ->
                            ops.pack(
                                    stored,
                                    format,
                                    target,
                                    ThreadTeam.share(tiles, thread, threads),
                                    ThreadTeam.share(tiles, thread + 1, threads)),
                    (long) source.rows().length * source.columns());
        } finally {
            Reference.reachabilityFence(source);
        }
        return target;
    }

    /// Gives the pages of a mapped matrix back. They stay in the page cache of the host, from which
    /// a look-up of an embedding, or another product of the same matrix, maps them again.
    private static void release(MemorySegment data) {
        if (data.isMapped()) {
            data.unload();
        }
    }

    private static MatmulOps.WeightSource stored(WeightRows source, Arena arena) {
        MemorySegment data = source.data();
        if (!data.isNative()) {
            data = arena.allocate(data.byteSize(), 64).copyFrom(data);
        }
        return new MatmulOps.WeightSource(
                source.type(),
                data.address() + source.firstBlockBytes(),
                source.type().rowBytes(source.sourceColumns()),
                arena.allocateFrom(ValueLayout.JAVA_INT, source.rows()).address(),
                source.rows().length,
                source.columns(),
                source.skippedColumns());
    }
}
