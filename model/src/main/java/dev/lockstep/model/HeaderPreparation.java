// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.model;

import dev.lockstep.checkpoint.TensorType;
import dev.lockstep.kernels.AttentionBackend;
import dev.lockstep.kernels.AttentionShape;
import dev.lockstep.kernels.DType;
import dev.lockstep.kernels.DevicePointer;
import dev.lockstep.kernels.EmbeddingTable;
import dev.lockstep.kernels.ExpandedAttention;
import dev.lockstep.kernels.ExpandedHeads;
import dev.lockstep.kernels.ExpertLayer;
import dev.lockstep.kernels.ExpertSet;
import dev.lockstep.kernels.Kernels;
import dev.lockstep.kernels.KvLayout;
import dev.lockstep.kernels.PackedWeight;
import dev.lockstep.kernels.Preparation;
import dev.lockstep.kernels.RotaryTable;
import dev.lockstep.kernels.Tensor;
import dev.lockstep.kernels.WeightRows;
import java.lang.reflect.Proxy;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Predicate;

/// A preparation without memory: a family that loads with it has checked the name and the shape of
/// every tensor it needs, from headers. It counts what the family prepares.
final class HeaderPreparation implements Preparation {
    private static final DevicePointer NOWHERE = new DevicePointer(0);

    private final Predicate<String> decoded;
    private final Map<ShardWeights.Segment, Integer> matrices = new HashMap<>();
    private final List<ShardWeights.Table> tables = new ArrayList<>();
    private long vectorBytes;
    private long positionBytes;

    /// @param decoded whether the file keeps the matrix of this name in another form
    HeaderPreparation(Predicate<String> decoded) {
        this.decoded = decoded;
    }

    /// Returns what was prepared until now.
    ShardWeights counted() {
        return new ShardWeights(matrices, tables, vectorBytes, positionBytes);
    }

    private record Nothing(int rows, int columns) implements PackedWeight, EmbeddingTable {

        static Nothing of(List<WeightRows> segments) {
            int rows = segments.stream().mapToInt(each -> each.rows().length).sum();
            return new Nothing(
                    rows, segments.stream().mapToInt(WeightRows::columns).max().orElse(0));
        }

        @Override
        public long bytes() {
            return 0;
        }

        @Override
        public boolean readsSource() {
            return false;
        }
    }

    private record NoExperts(ExpertLayer layer) implements ExpertSet {}

    /// Returns kernels that prepare like this and refuse everything else.
    Kernels kernels() {
        return withoutOps(Kernels.class);
    }

    @Override
    public PackedWeight prepare(List<WeightRows> segments, DType compute) {
        for (WeightRows each : segments) {
            matrices.merge(
                    new ShardWeights.Segment(
                            each.type(), each.rows().length, each.columns(), each.skippedColumns()),
                    1,
                    Integer::sum);
        }
        return Nothing.of(segments);
    }

    @Override
    public long packedBytes(TensorType type, DType compute, int rows, int columns, int skipped) {
        return 0;
    }

    @Override
    public EmbeddingTable prepareEmbedding(WeightRows table) {
        tables.add(
                new ShardWeights.Table(
                        table.type(),
                        table.rows().length,
                        table.sourceColumns(),
                        decoded.test(table.name())));
        return Nothing.of(List.of(table));
    }

    @Override
    public ExpertSet prepareExperts(ExpertLayer layer) {
        return new NoExperts(layer);
    }

    @Override
    public Tensor prepareVector(float[] values) {
        var vector = new Tensor(NOWHERE, DType.F32, 1, values.length, values.length);
        vectorBytes += vector.bytes();
        return vector;
    }

    @Override
    public Tensor preparePositions(float[] values) {
        positionBytes += DType.F32.bytes();
        return new Tensor(NOWHERE, DType.F32, 1, values.length, values.length);
    }

    @Override
    public RotaryTable prepareRotary(float[][] cos, float[][] sin) {
        int pairs = cos[0].length;
        positionBytes += 2L * pairs * DType.F32.bytes();
        var table = new Tensor(NOWHERE, DType.F32, cos.length, pairs, pairs);
        return new RotaryTable(table, table, 2 * pairs);
    }

    @Override
    public AttentionBackend attention(AttentionShape shape, KvLayout layout) {
        return withoutOps(AttentionBackend.class);
    }

    @Override
    public Optional<ExpandedAttention> expandedAttention(ExpandedHeads heads, KvLayout layout) {
        return Optional.empty();
    }

    /// Returns an instance that has the methods of this class and refuses all others of `type`.
    private <T> T withoutOps(Class<T> type) {
        return type.cast(
                Proxy.newProxyInstance(
                        type.getClassLoader(),
                        new Class<?>[] {type},
                        (_, method, arguments) -> {
                            if (method.getDeclaringClass().isInstance(this)) {
                                return method.invoke(this, arguments);
                            }
                            throw new UnsupportedOperationException(
                                    "%s of a model that was loaded from headers"
                                            .formatted(method.getName()));
                        }));
    }
}
