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
import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.Optional;
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

    public boolean has(String name) {
        return checkpoint.has(name);
    }

    /// A matrix stored as `[columns, rows]`, turned; a copy that lives until it is packed.
    public WeightSlice transposed(String name, int rows, int columns) {
        return Transposed.of(matrix(name, columns, rows));
    }

    /// Rows of the matrix `name.weight` and, where there is one, of `name.bias`.
    public OutputRows part(String name, int rows, int columns, Span span) {
        return part(name, matrix(name + ".weight", rows, columns), span);
    }

    /// Rows of a matrix and, where there is one, of `name.bias`.
    public OutputRows part(String name, WeightSlice matrix, Span span) {
        Optional<WeightSlice> bias =
                has(name + ".bias")
                        ? Optional.of(matrix(name + ".bias", matrix.rows(), 1))
                        : Optional.empty();
        return new OutputRows(matrix, bias, span);
    }

    /// Rows of a matrix, to be packed with others.
    public WeightRows segment(WeightSlice matrix, Span rows) {
        return weightRows(matrix, rows, new Span(0, matrix.columns()));
    }

    /// The biases of rows that are packed one below the other; empty where no matrix has one, and
    /// for no rows.
    public Optional<Tensor> bias(List<OutputRows> parts) {
        int size = parts.stream().mapToInt(part -> part.rows().size()).sum();
        if (size == 0 || parts.stream().allMatch(part -> part.bias().isEmpty())) {
            return Optional.empty();
        }
        float[] values = new float[size];
        int at = 0;
        for (OutputRows part : parts) {
            if (part.bias().isPresent()) {
                float[] own = VectorValues.of(part.bias().get(), part.rows());
                System.arraycopy(own, 0, values, at, own.length);
            }
            at += part.rows().size();
        }
        return Optional.of(vector(values));
    }

    /// Segments one below the other: outputs of this rank.
    public PackedWeight rows(WeightRows... segments) {
        return packed(List.of(segments));
    }

    /// Rows of matrices, one below the other: outputs of this rank.
    public PackedWeight rows(List<OutputRows> parts) {
        return packed(parts.stream().map(part -> segment(part.matrix(), part.rows())).toList());
    }

    /// A matrix cut by inputs.
    public PackedWeight columns(WeightSlice matrix, Span columns) {
        return packed(List.of(weightRows(matrix, new Span(0, matrix.rows()), columns)));
    }

    /// A norm's weight or a bias, whole on every rank.
    public Tensor vector(String name, int size) {
        return vector(name, size, new Span(0, size), 0);
    }

    /// Part of a norm's weight, with `added` added to each value.
    public Tensor vector(String name, int size, Span part, float added) {
        float[] values = VectorValues.of(matrix(name, size, 1), part);
        for (int i = 0; i < values.length; i++) {
            values[i] += added;
        }
        return vector(values);
    }

    private Tensor vector(float[] values) {
        Tensor vector =
                kernels.prepareVector(
                        new WeightRows(
                                "vector",
                                MemorySegment.ofArray(values),
                                WeightType.F32,
                                values.length,
                                new int[] {0},
                                0,
                                values.length));
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
