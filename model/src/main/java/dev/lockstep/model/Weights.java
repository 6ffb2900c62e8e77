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
import dev.lockstep.nccl.Communicator;
import java.util.List;
import java.util.stream.IntStream;

/// Hands a family its weights, cut for one rank and packed for the hardware. Lives while a model loads.
public final class Weights {
    private final Checkpoint checkpoint;
    private final Shard shard;
    private final Kernels kernels;
    private final Communicator communicator;
    private final LoadSettings settings;
    private long bytes;
    private long sourceBytes;

    Weights(
            Checkpoint checkpoint,
            Shard shard,
            Kernels kernels,
            Communicator communicator,
            LoadSettings settings) {
        this.checkpoint = checkpoint;
        this.shard = shard;
        this.kernels = kernels;
        this.communicator = communicator;
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

    public Communicator communicator() {
        return communicator;
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

    /// Rows of a matrix, to be packed with others by [#rows(WeightRows...)].
    public WeightRows segment(String name, Span rows) {
        WeightSlice slice = require(name);
        requireInside(slice, "rows", rows.to(), slice.rows());
        return weightRows(slice, rows.numbers(), new Span(0, slice.columns()));
    }

    /// Segments one below the other: outputs of this rank.
    public PackedWeight rows(WeightRows... segments) {
        return packed(List.of(segments));
    }

    /// A matrix cut by outputs.
    public PackedWeight rows(String name, Span rows) {
        return rows(segment(name, rows));
    }

    /// A matrix cut by inputs.
    public PackedWeight columns(String name, Span columns) {
        WeightSlice slice = require(name);
        requireInside(slice, "columns", columns.to(), slice.columns());
        return packed(List.of(weightRows(slice, new Span(0, slice.rows()).numbers(), columns)));
    }

    /// A norm's weight, whole on every rank.
    public Tensor vector(String name) {
        WeightSlice slice = require(name);
        int values = Math.multiplyExact(slice.rows(), slice.columns());
        Tensor vector =
                kernels.prepareVector(
                        new WeightRows(
                                slice.name(), slice.data(), type(slice), values, new int[] {0}, 0, values));
        bytes += vector.bytes();
        return vector;
    }

    /// The input embedding, whole on every rank.
    public EmbeddingTable embedding(String name) {
        WeightSlice slice = require(name);
        EmbeddingTable table =
                kernels.prepareEmbedding(
                        weightRows(
                                slice,
                                new Span(0, slice.rows()).numbers(),
                                new Span(0, slice.columns())));
        bytes += table.bytes();
        return table;
    }

    private PackedWeight packed(List<WeightRows> segments) {
        PackedWeight weight = kernels.prepare(segments, settings.compute());
        bytes += weight.bytes();
        for (WeightRows segment : segments) {
            long blocks = (long) segment.rows().length * segment.columns() / segment.type().blockSize();
            sourceBytes += blocks * segment.type().blockBytes();
        }
        settings.progress().loaded(sourceBytes, checkpoint.weightBytes() / shard.size());
        return weight;
    }

    private WeightSlice require(String name) {
        return checkpoint
                .tensor(name)
                .orElseThrow(
                        () ->
                                new CheckpointException(
                                        checkpoint.path() + ": tensor " + name + " is missing"));
    }

    private static WeightRows weightRows(WeightSlice slice, int[] rows, Span columns) {
        int[] stored = IntStream.of(rows).map(slice::storedRow).toArray();
        return new WeightRows(
                slice.name(),
                slice.data(),
                type(slice),
                slice.storedColumns(),
                stored,
                columns.from(),
                columns.to());
    }

    private static WeightType type(WeightSlice slice) {
        TensorType type = slice.type();
        for (WeightType known : WeightType.values()) {
            if (known.name().equals(type.name())) {
                return known;
            }
        }
        throw new CheckpointException(
                "tensor %s has type %s, which is not supported; %s are"
                        .formatted(slice.name(), type, List.of(WeightType.values())));
    }

    private void requireInside(WeightSlice slice, String what, int needed, int present) {
        if (needed > present) {
            throw new CheckpointException(
                    "%s: tensor %s has %d %s, the configuration needs %d"
                            .formatted(checkpoint.path(), slice.name(), present, what, needed));
        }
    }
}
