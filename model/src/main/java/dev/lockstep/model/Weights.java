// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.model;

import dev.lockstep.checkpoint.AttentionConfig;
import dev.lockstep.checkpoint.Checkpoint;
import dev.lockstep.checkpoint.CheckpointException;
import dev.lockstep.checkpoint.KvGroup;
import dev.lockstep.checkpoint.ModelConfig;
import dev.lockstep.checkpoint.RankReads;
import dev.lockstep.checkpoint.RopeConfig;
import dev.lockstep.checkpoint.TensorType;
import dev.lockstep.checkpoint.WeightMatrix;
import dev.lockstep.kernels.DType;
import dev.lockstep.kernels.EmbeddingTable;
import dev.lockstep.kernels.Kernels;
import dev.lockstep.kernels.KvLayout;
import dev.lockstep.kernels.KvScales;
import dev.lockstep.kernels.PackedWeight;
import dev.lockstep.kernels.RotaryTable;
import dev.lockstep.kernels.Tensor;
import dev.lockstep.kernels.WeightRows;
import java.lang.foreign.Arena;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.IntToDoubleFunction;
import java.util.stream.IntStream;
import java.util.stream.Stream;

/// The weights of a checkpoint, cut for one rank and packed for its hardware; a family loads its
/// layers from them. Used only while a model loads, by the loading thread.
///
/// Names are those of tensors, with `.weight` where a method returns a matrix or a vector and
/// without it where it returns a linear layer.
public final class Weights {
    private final Checkpoint checkpoint;
    private final Shard shard;
    private final Kernels kernels;
    private final LoadSettings settings;
    private final long sourceTotal;
    private final Set<String> decodedInstead;
    private final boolean headersOnly;
    private final boolean expandsLatents;
    private final Optional<RankReads> reads;
    private final Map<RopeConfig, RotaryTable> rotaryTables = new HashMap<>();
    private Optional<RotaryTable> emptyRotaryTable = Optional.empty();
    private long bytes;
    private long sourceBytes;

    /// @param storedBytes of the shard's matrices, about
    /// @param decodedInstead receives the names of matrices that are decoded because their type
    ///   cannot hold them
    Weights(
            Checkpoint checkpoint,
            Shard shard,
            Kernels kernels,
            LoadSettings settings,
            long storedBytes,
            Set<String> decodedInstead) {
        this(
                checkpoint,
                shard,
                kernels,
                settings,
                storedBytes,
                decodedInstead,
                false,
                kernels.capabilities().expandsLatents(),
                Optional.empty());
    }

    private Weights(
            Checkpoint checkpoint,
            Shard shard,
            Kernels kernels,
            LoadSettings settings,
            long storedBytes,
            Set<String> decodedInstead,
            boolean headersOnly,
            boolean expandsLatents,
            Optional<RankReads> reads) {
        this.checkpoint = checkpoint;
        this.shard = shard;
        this.kernels = kernels;
        this.settings = settings;
        this.sourceTotal = Math.max(1, storedBytes);
        this.decodedInstead = decodedInstead;
        this.headersOnly = headersOnly;
        this.expandsLatents = expandsLatents;
        this.reads = reads;
    }

    /// Returns the weights of a shard without their bytes: a family that loads from them checks
    /// names and shapes.
    ///
    /// @param expandsLatents see [#expandsLatents()]
    static Weights ofHeaders(
            Checkpoint checkpoint,
            Shard shard,
            HeaderPreparation preparation,
            boolean expandsLatents) {
        return ofHeaders(checkpoint, shard, preparation, expandsLatents, Optional.empty());
    }

    /// Returns the same weights, which note what the family reads of them.
    static Weights ofHeaders(
            Checkpoint checkpoint,
            Shard shard,
            HeaderPreparation preparation,
            boolean expandsLatents,
            Optional<RankReads> reads) {
        var settings = new LoadSettings(DType.F32, DType.F32, 16, 1, LoadSettings.Progress.none());
        Kernels kernels = preparation.kernels();
        return new Weights(
                checkpoint, shard, kernels, settings, 0, Set.of(), true, expandsLatents, reads);
    }

    /// Returns whether the device has attention of expanded rows, so that latent attention needs
    /// weights for it.
    public boolean expandsLatents() {
        return expandsLatents;
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

    /// Returns the device bytes of all weights packed so far, and of tables by position.
    public long bytes() {
        return bytes;
    }

    /// Returns which paged KV group keeps the keys and values of a layer.
    ///
    /// @throws CheckpointException if the layer reads those of an earlier one
    public int keepingGroup(int layer) {
        if (config().readsEarlierKv(layer)) {
            throw new CheckpointException(
                    "%s: num_kv_shared_layers makes layer %d read keys and values of an earlier one, which %s does not"
                            .formatted(checkpoint.path(), layer, checkpoint.architecture()));
        }
        return config().pagedGroup(layer);
    }

    /// Returns the layout of a block of this KV group on this rank.
    public KvLayout kvLayout(KvGroup group) {
        return shard.kvLayout(
                config().attention().of(group),
                group.layers().size(),
                settings.kvType(),
                settings.blockSize());
    }

    /// Returns the scales with which a layer's keys and values are stored as FP8: those that the
    /// checkpoint was calibrated with; empty if it has none, or for another type of cache.
    public Optional<KvScales> kvScales(int layer) {
        if (settings.kvType() != DType.FP8) {
            return Optional.empty();
        }
        AttentionConfig heads = config().attention(layer);
        Span own = shard.kvHeads(heads);
        return checkpoint
                .cacheScales()
                .ofLayer(layer, heads.kvHeadCount())
                .map(
                        scales ->
                                new KvScales(
                                        vector(some(scales.keys(), own)),
                                        vector(some(scales.values(), own))));
    }

    private static float[] some(float[] values, Span span) {
        return Arrays.copyOfRange(values, span.from(), span.to());
    }

    /// Returns whether the model may have no output head.
    public boolean isBaseModel() {
        return checkpoint.isBaseModel();
    }

    /// Returns whether the model computes logits.
    public boolean hasOutputHead() {
        return checkpoint.hasOutputHead();
    }

    public boolean has(String name) {
        return checkpoint.has(name);
    }

    /// Returns the last dimension of a stored tensor.
    public int columns(String name) {
        return tensor(name).columns();
    }

    /// Returns the error for a tensor that the checkpoint should have.
    public CheckpointException missing(String name, String why) {
        return new CheckpointException(
                "%s: tensor %s is missing: %s".formatted(checkpoint.path(), name, why));
    }

    private WeightMatrix tensor(String name) {
        reads.ifPresent(each -> each.ask(name));
        return checkpoint.tensor(name);
    }

    /// Returns a whole matrix, checked against the shape that the configuration implies.
    public WeightMatrix matrix(String name, int rows, int columns) {
        WeightMatrix matrix = tensor(name);
        if (matrix.rows() != rows || matrix.columns() != columns) {
            throw wrongShape(matrix, rows, columns);
        }
        return matrix;
    }

    private CheckpointException wrongShape(WeightMatrix matrix, int rows, int columns) {
        return new CheckpointException(
                "%s: tensor %s is [%d, %d], the configuration needs [%d, %d]"
                        .formatted(
                                checkpoint.path(),
                                matrix.name(),
                                matrix.rows(),
                                matrix.columns(),
                                rows,
                                columns));
    }

    /// Returns all outputs of a linear layer: the matrix `name.weight` and, if the checkpoint has
    /// one, the bias `name.bias`.
    public OutputRows linear(String name, int rows, int columns) {
        return linear(name, matrix(name + ".weight", rows, columns));
    }

    /// Returns all outputs of a linear layer whose matrix is stored as `[columns, rows]`.
    public OutputRows transposedLinear(String name, int rows, int columns) {
        return linear(name, Transposed.of(matrix(name + ".weight", columns, rows)));
    }

    /// Packs some rows of a stored matrix, transposed. A matrix that its file keeps in another form
    /// is decoded before.
    public PackedWeight packTransposedRows(String name, int rows, int columns, Span some) {
        WeightMatrix part = matrix(name, rows, columns).part(some.from(), some.size());
        try (Arena decoded = Arena.ofShared()) {
            return packRows(transposed(part, decoded));
        }
    }

    /// Returns the columns of a stored matrix as outputs.
    ///
    /// @param decoded the memory of the matrix, if its file keeps it in another form: until the
    ///   outputs are packed
    public OutputRows transposed(WeightMatrix stored, Arena decoded) {
        WeightMatrix plain = stored.plain();
        return OutputRows.of(
                headersOnly
                        ? Transposed.shape(plain)
                        : Transposed.of(RowSource.inMemory(plain, decoded)));
    }

    /// Returns one of equal parts of a tensor as a matrix.
    ///
    /// @param parts of the whole tensor, which has as many values as all of them
    public WeightMatrix part(String name, int parts, int part, int rows, int columns) {
        WeightMatrix whole = tensor(name);
        if ((long) whole.rows() * whole.columns() != (long) parts * rows * columns) {
            throw wrongShape(whole, parts * rows, columns);
        }
        WeightMatrix parted =
                whole.columns() == columns ? whole : whole.reshaped(parts * rows, columns);
        return parted.part(part * rows, rows);
    }

    /// Returns the outputs of a linear layer whose matrix is stored as `[inputs, outputs]`, as one
    /// of equal parts of a tensor, with a part of another tensor as their bias.
    ///
    /// A quantized matrix is stored as `[outputs, inputs]` and not copied.
    public OutputRows transposedPart(
            String name, String bias, int parts, int part, int rows, int columns) {
        WeightMatrix ownBias = part(bias, parts, part, rows, 1);
        return transposedPart(name, Optional.of(ownBias), parts, part, rows, columns);
    }

    /// Returns the same outputs without a bias.
    public OutputRows transposedPart(String name, int parts, int part, int rows, int columns) {
        return transposedPart(name, Optional.empty(), parts, part, rows, columns);
    }

    private OutputRows transposedPart(
            String name,
            Optional<WeightMatrix> ownBias,
            int parts,
            int part,
            int rows,
            int columns) {
        if (tensor(name).decoder().isPresent()) {
            return new OutputRows(
                    part(name, parts, part, rows, columns), ownBias, new Span(0, rows));
        }
        WeightMatrix stored = part(name, parts, part, columns, rows);
        return new OutputRows(Transposed.of(stored), ownBias, new Span(0, rows));
    }

    private OutputRows linear(String name, WeightMatrix matrix) {
        Optional<WeightMatrix> bias =
                has(name + ".bias")
                        ? Optional.of(matrix(name + ".bias", matrix.rows(), 1))
                        : Optional.empty();
        return new OutputRows(matrix, bias, new Span(0, matrix.rows()));
    }

    /// Packs a matrix that every rank has whole.
    ///
    /// @param name without `.weight`
    public PackedWeight packWhole(String name, int rows, int columns) {
        return packRows(OutputRows.of(matrix(name + ".weight", rows, columns)));
    }

    /// Packs rows of matrices, one below the other: outputs of this rank.
    public PackedWeight packRows(OutputRows... outputs) {
        return packRows(Stream.of(outputs).map(ChosenRows::of).toArray(ChosenRows[]::new));
    }

    /// Packs rows of matrices that are in another order than in the file, one below the other.
    public PackedWeight packRows(ChosenRows... outputs) {
        try (Arena decoded = Arena.ofShared()) {
            return pack(
                    Stream.of(outputs)
                            .map(
                                    each ->
                                            source(
                                                    each,
                                                    new Span(0, each.matrix().columns()),
                                                    decoded))
                            .toList());
        }
    }

    /// Packs columns of a matrix: inputs of this rank.
    public PackedWeight packColumns(OutputRows outputs, Span columns) {
        try (Arena decoded = Arena.ofShared()) {
            return pack(List.of(source(ChosenRows.of(outputs), columns, decoded)));
        }
    }

    /// Returns the biases of rows that are packed one below the other; empty if no matrix has one,
    /// and for no rows.
    public Optional<Tensor> bias(OutputRows... outputs) {
        List<OutputRows> all = List.of(outputs);
        int size = all.stream().mapToInt(each -> each.rows().size()).sum();
        if (size == 0 || all.stream().allMatch(each -> each.bias().isEmpty())) {
            return Optional.empty();
        }
        float[] values = new float[size];
        int next = 0;
        for (OutputRows each : all) {
            if (each.bias().isPresent()) {
                float[] bias = floats(each.bias().get(), each.rows());
                System.arraycopy(bias, 0, values, next, bias.length);
            }
            next += each.rows().size();
        }
        return Optional.of(vector(values));
    }

    /// Returns a vector, whole on every rank: a norm's weight or bias.
    public Tensor vector(String name, int size) {
        return vector(name, size, new Span(0, size), 0);
    }

    /// Returns some values of a vector, with `added` added to each.
    public Tensor vector(String name, int size, Span span, float added) {
        float[] values = values(name, size, span);
        for (int i = 0; i < values.length; i++) {
            values[i] += added;
        }
        return vector(values);
    }

    /// Returns a vector that may be stored as a matrix of one row.
    public Tensor flatVector(String name, int size) {
        WeightMatrix stored = tensor(name);
        if ((long) stored.rows() * stored.columns() != size) {
            throw wrongShape(stored, size, 1);
        }
        return vector(stored.reshaped(size, 1).floats(0, size));
    }

    /// Returns the only value of a tensor, which may be a vector of one or have no dimensions.
    public float scalar(String name) {
        return matrix(name, 1, 1).floats(0, 1)[0];
    }

    /// Returns a value for every position that is served, `[1, positions]`.
    public Tensor positionValues(IntToDoubleFunction value) {
        float[] values = new float[settings.maxPositions()];
        for (int position = 0; position < values.length; position++) {
            values[position] = (float) value.applyAsDouble(position);
        }
        Tensor all = kernels.preparePositions(values);
        bytes += all.bytes();
        return all;
    }

    /// Returns a vector of ones: the factors of a norm that has none.
    public Tensor ones(int size) {
        float[] ones = new float[size];
        Arrays.fill(ones, 1);
        return vector(ones);
    }

    /// Returns a vector of zeros: the bias of a norm that has none.
    public Tensor zeros(int size) {
        return vector(new float[size]);
    }

    /// Returns a vector of values that a family computes from stored ones.
    public Tensor vector(float[] values) {
        Tensor vector = kernels.prepareVector(values);
        bytes += vector.bytes();
        return vector;
    }

    /// Returns some values of a vector, one span after the other.
    public Tensor vector(String name, int size, List<Span> spans) {
        float[] values = new float[spans.stream().mapToInt(Span::size).sum()];
        int next = 0;
        for (Span span : spans) {
            float[] part = values(name, size, span);
            System.arraycopy(part, 0, values, next, part.length);
            next += part.length;
        }
        return vector(values);
    }

    /// Returns some values of a stored vector, as floats.
    public float[] values(String name, int size, Span span) {
        return floats(matrix(name, size, 1), span);
    }

    private static float[] floats(WeightMatrix vector, Span span) {
        return vector.floats(span.from(), span.size());
    }

    /// Returns the factors of a depthwise convolution, all channels of the oldest tap first.
    ///
    /// @param name of a tensor `[channels, 1, taps]`
    /// @param own the channels of this rank, in its order
    public Tensor taps(String name, int channels, int taps, Span... own) {
        int size = channels * taps;
        float[] values = matrix(name, channels, taps).reshaped(size, 1).floats(0, size);
        int[] numbers = Stream.of(own).flatMapToInt(span -> IntStream.of(span.numbers())).toArray();
        float[] factors = new float[taps * numbers.length];
        for (int tap = 0; tap < taps; tap++) {
            for (int i = 0; i < numbers.length; i++) {
                factors[tap * numbers.length + i] = values[numbers[i] * taps + tap];
            }
        }
        return vector(factors);
    }

    /// Returns an embedding table, whole on every rank. A decoded one that is read in memory lives
    /// as long as the process, like a mapped one.
    public EmbeddingTable embedding(String name, int rows) {
        return embedding(name, rows, 0);
    }

    /// Returns the rows of an embedding table from `first` on, whole on every rank.
    public EmbeddingTable embedding(String name, int rows, int first) {
        WeightMatrix whole = matrix(name, rows, config().hiddenSize());
        WeightMatrix part = first == 0 ? whole : whole.part(first, rows - first);
        return embedding(ChosenRows.of(OutputRows.of(part.inColumnOrder())));
    }

    /// Returns an embedding table of other columns than the hidden size, whole on every rank.
    ///
    /// @param stored the row of each id in the file
    public EmbeddingTable embedding(String name, int rows, int columns, int[] stored) {
        return embedding(new ChosenRows(matrix(name, rows, columns), stored));
    }

    private EmbeddingTable embedding(ChosenRows rows) {
        WeightMatrix matrix = rows.matrix();
        Arena decoded = Arena.ofShared();
        WeightRows source = source(rows, new Span(0, matrix.columns()), decoded);
        EmbeddingTable table = kernels.prepareEmbedding(source);
        bytes += table.bytes();
        if (!table.readsSource()) {
            decoded.close();
        } else if (matrix.decoder().isPresent()) {
            bytes += source.data().byteSize();
        }
        return table;
    }

    /// Returns the cosines and sines of a rope for every position that is served; layers of equal
    /// rope share a table.
    public RotaryTable rotaryTable(RopeConfig rope) {
        int positions = settings.maxPositions();
        return rotaryTables.computeIfAbsent(
                rope,
                each -> {
                    RotaryFrequencies frequencies = RotaryFrequencies.of(each, positions);
                    RotaryTable table =
                            kernels.prepareRotary(
                                    frequencies.cos(positions), frequencies.sin(positions));
                    bytes += table.cos().bytes() + table.sin().bytes();
                    return table;
                });
    }

    /// Returns a rotary table of no dimensions, which rotates nothing; all layers share it.
    public RotaryTable emptyRotaryTable() {
        if (emptyRotaryTable.isEmpty()) {
            float[][] none = new float[settings.maxPositions()][0];
            emptyRotaryTable = Optional.of(kernels.prepareRotary(none, none));
        }
        return emptyRotaryTable.get();
    }

    private PackedWeight pack(List<WeightRows> sources) {
        PackedWeight weight = kernels.prepare(sources, settings.compute());
        bytes += weight.bytes();
        for (WeightRows source : sources) {
            TensorType type = source.type();
            long blocks = (long) source.rows().length * source.columns() / type.blockSize();
            sourceBytes += blocks * type.blockBytes();
        }
        // The total is a forecast: a matrix may be decoded though few of its scales were checked.
        settings.progress().loaded(Math.min(sourceBytes, sourceTotal), sourceTotal);
        return weight;
    }

    /// Returns the matrix in a type that holds it. Only where products quantize their inputs do
    /// they take them in another order.
    private WeightMatrix held(WeightMatrix stored) {
        WeightMatrix exact = stored.exact();
        return kernels.capabilities().quantizesActivations() ? exact : exact.inColumnOrder();
    }

    /// @param decoded the memory of rows that have to be decoded
    private WeightRows source(ChosenRows some, Span columns, Arena decoded) {
        WeightMatrix stored = some.matrix();
        if (headersOnly) {
            reads.ifPresent(each -> read(each, some, columns));
            return RowSource.unread(
                    stored.expected().cut(columns.from(), columns.to()),
                    some.rows().length,
                    columns);
        }
        WeightMatrix matrix =
                some.rows().length == 0
                        ? stored.inColumnOrder()
                        : held(stored).cut(columns.from(), columns.to());
        if (some.rows().length > 0 && matrix.type() != stored.type()) {
            decodedInstead.add(stored.name());
        }
        int[] rows = IntStream.of(some.rows()).map(stored::storedRow).toArray();
        return RowSource.of(matrix, rows, columns, decoded);
    }

    /// Notes what [#source] would read on a CPU.
    private void read(RankReads noted, ChosenRows some, Span columns) {
        WeightMatrix stored = some.matrix();
        noted.read(
                checkpoint.tensor(stored.name()),
                stored.exact().cut(columns.from(), columns.to()),
                IntStream.of(some.rows()).map(stored::storedRow).toArray(),
                columns.from(),
                columns.to());
    }
}
