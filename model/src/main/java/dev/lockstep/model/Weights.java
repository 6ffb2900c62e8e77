package dev.lockstep.model;

import dev.lockstep.checkpoint.Checkpoint;
import dev.lockstep.checkpoint.CheckpointException;
import dev.lockstep.checkpoint.KvGroup;
import dev.lockstep.checkpoint.ModelConfig;
import dev.lockstep.checkpoint.TensorType;
import dev.lockstep.checkpoint.WeightSlice;
import dev.lockstep.kernels.EmbeddingTable;
import dev.lockstep.kernels.Kernels;
import dev.lockstep.kernels.KvLayout;
import dev.lockstep.kernels.PackedWeight;
import dev.lockstep.kernels.Tensor;
import dev.lockstep.kernels.WeightRows;
import dev.lockstep.kernels.WeightType;
import java.util.List;
import java.util.stream.IntStream;

/// Hands a family its weights, cut for one rank and packed for the hardware. Lives while a model
/// loads.
public final class Weights {
    private final Checkpoint checkpoint;
    private final Shard shard;
    private final Kernels kernels;
    private final LoadSettings settings;
    private long bytes;
    private long sourceBytes;

    Weights(Checkpoint checkpoint, Shard shard, Kernels kernels, LoadSettings settings) {
        this.checkpoint = checkpoint;
        this.shard = shard;
        this.kernels = kernels;
        this.settings = settings;
    }

    public ModelConfig config() {
        return checkpoint.config();
    }

    public Shard shard() {
        return shard;
    }

    public Kernels kernels() {
        return kernels;
    }

    /// Positions a sequence may reach.
    public int maxPositions() {
        return settings.maxPositions();
    }

    /// Device bytes of everything packed so far.
    public long bytes() {
        return bytes;
    }

    /// What a block of this KV group holds on this rank.
    public KvLayout kvLayout(KvGroup group) {
        return new KvLayout(
                group.layers().size(),
                shard.kvHeads().size(),
                config().attention().headDim(),
                settings.kvType(),
                settings.blockSize());
    }

    /// A whole matrix, checked against the shape the configuration asks for.
    public WeightSlice matrix(String name, int rows, int columns) {
        WeightSlice slice = checkpoint.tensor(name);
        if (slice.rows() != rows || slice.columns() != columns) {
            throw new CheckpointException(
                    "%s: tensor %s is [%d, %d], the configuration needs [%d, %d]"
                            .formatted(
                                    checkpoint.path(),
                                    name,
                                    slice.rows(),
                                    slice.columns(),
                                    rows,
                                    columns));
        }
        return slice;
    }

    /// Rows of a matrix, to be packed with others.
    public WeightRows segment(WeightSlice matrix, Span rows) {
        return weightRows(matrix, rows, new Span(0, matrix.columns()));
    }

    /// Segments one below the other: outputs of this rank.
    public PackedWeight rows(WeightRows... segments) {
        return packed(List.of(segments));
    }

    /// A matrix cut by inputs.
    public PackedWeight columns(WeightSlice matrix, Span columns) {
        return packed(List.of(weightRows(matrix, new Span(0, matrix.rows()), columns)));
    }

    /// A norm's weight, whole on every rank.
    public Tensor vector(String name, int size) {
        WeightSlice slice = matrix(name, size, 1);
        Tensor vector =
                kernels.prepareVector(
                        new WeightRows(
                                name,
                                slice.data(),
                                type(slice.type()),
                                size,
                                new int[] {0},
                                0,
                                size));
        bytes += vector.bytes();
        return vector;
    }

    /// The input embedding, whole on every rank.
    public EmbeddingTable embedding(WeightSlice matrix) {
        EmbeddingTable table =
                kernels.prepareEmbedding(
                        weightRows(
                                matrix, new Span(0, matrix.rows()), new Span(0, matrix.columns())));
        bytes += table.bytes();
        return table;
    }

    private PackedWeight packed(List<WeightRows> segments) {
        PackedWeight weight = kernels.prepare(segments, settings.compute());
        bytes += weight.bytes();
        for (WeightRows segment : segments) {
            long blocks =
                    (long) segment.rows().length * segment.columns() / segment.type().blockSize();
            sourceBytes += blocks * segment.type().blockBytes();
        }
        settings.progress().loaded(sourceBytes, checkpoint.byteSize() / shard.size());
        return weight;
    }

    private static WeightRows weightRows(WeightSlice slice, Span rows, Span columns) {
        return new WeightRows(
                slice.name(),
                slice.data(),
                type(slice.type()),
                slice.storedColumns(),
                IntStream.of(rows.numbers()).map(slice::storedRow).toArray(),
                columns.from(),
                columns.to());
    }

    /// Both enums list the same types; a test holds them together.
    static WeightType type(TensorType type) {
        return WeightType.valueOf(type.name());
    }
}
