// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.function.Consumer;
import java.util.function.Function;

/// A GGUF file that is written from a folder in Hugging Face layout: the names, keys, orders of
/// rows and sums that readers of GGUF expect of an architecture.
///
/// Its keys are read again before anything is written. Where they do not say what the folder's
/// configuration says, the model is refused by the first difference.
public final class GgufExport {
    /// Characters of a value in a message.
    private static final int SHOWN = 120;

    private final FolderCheckpoint source;
    private final ModelConfig config;
    private final String architecture;
    private final GgufUse use;
    private final GgufNames names;
    private final Function<WeightMatrix, Optional<TensorType>> types;

    private GgufExport(
            FolderCheckpoint source, Function<WeightMatrix, Optional<TensorType>> types) {
        this.source = source;
        this.architecture = GgufConfigWriter.nameOf(source);
        this.use = GgufUse.of(source, architecture);
        this.config = source.config().withContextLength(use.contextLength());
        this.names = new GgufNames(architecture);
        requireExpertsEverywhere();
        this.types = types;
    }

    /// Opens the target and writes its header, or finds how far an earlier export came.
    ///
    /// @param types the type of a matrix in the target; empty for one that keeps its type. Vectors
    ///   become F32
    /// @param fileType GGUF's number for what most of the tensors are
    /// @param origin everything else that the data depends on, such as settings
    /// @param tokenizer writes the keys of the tokenizer for a number of ids, after those of the
    ///   configuration
    public static GgufRewrite open(
            Path folder,
            Path target,
            Function<WeightMatrix, Optional<TensorType>> types,
            int fileType,
            String origin,
            Consumer<GgufHeader> tokenizer) {
        return new GgufExport(FolderCheckpoint.openFolder(folder), types)
                .open(target, fileType, origin, tokenizer);
    }

    /// Returns GGUF's name of the architecture of a folder.
    ///
    /// @throws CheckpointException with one line for the user if there is none
    public static String architecture(Checkpoint folder) {
        return GgufConfigWriter.nameOf(folder);
    }

    /// Returns lines about what a file of a folder does not have.
    public static List<String> notes(Path folder) {
        FolderCheckpoint source = FolderCheckpoint.openFolder(folder);
        return GgufUse.of(source, GgufConfigWriter.nameOf(source)).notes();
    }

    private void requireExpertsEverywhere() {
        config.details()
                .experts()
                .map(experts -> experts.dense().layers())
                .filter(layers -> !layers.isEmpty())
                .ifPresent(
                        layers -> {
                            throw new CheckpointException(
                                    "%s: layer %d has no experts; in a GGUF file of %s all layers have"
                                            .formatted(
                                                    source.path(),
                                                    Collections.min(layers),
                                                    architecture));
                        });
    }

    private GgufRewrite open(
            Path target, int fileType, String origin, Consumer<GgufHeader> tokenizer) {
        var header = new GgufHeader();
        GgufRopeWriter.Written rope =
                new GgufConfigWriter(header, architecture)
                        .write(use.endsAsTokenizer() ? config.withoutEnds() : config);
        List<ExportedTensors.Exported> head = use.write(header);
        tokenizer.accept(header);
        use.requireTokenizer(header.metadata(target));
        var plan = new GgufRewrite.Plan(header);
        plan.origin(source, fileType, origin);
        Map<String, StoredTensor> read = new LinkedHashMap<>();
        rope.tensors().forEach((name, values) -> add(plan, read, name, values));
        for (ExportedTensors.Exported each : exported()) {
            // Readers use the embedding.
            if (!each.name().equals("lm_head.weight") || !config.tiedEmbeddings()) {
                add(plan, read, each);
            }
        }
        head.forEach(each -> add(plan, read, each));
        requireSame(rope.rope(), GgufConfig.read(header.metadata(target), read));
        return plan.open(target);
    }

    private List<ExportedTensors.Exported> exported() {
        return GgufEncoderNames.of(architecture).isPresent()
                ? new ExportedEncoder(source, config.contextLength()).all()
                : new ExportedTensors(source, architecture).all();
    }

    private void add(
            GgufRewrite.Plan plan,
            Map<String, StoredTensor> read,
            ExportedTensors.Exported exported) {
        String name = exported.name();
        WeightMatrix matrix = exported.matrix();
        String stored =
                names.stored(name)
                        .orElseThrow(
                                () ->
                                        new CheckpointException(
                                                "%s: tensor %s has no name in a GGUF file of %s"
                                                        .formatted(
                                                                source.path(),
                                                                name,
                                                                architecture)));
        RowOrder order =
                names.hasAdjacentPairs(name)
                        ? new RowOrder.AdjacentPairs(config.attention().headDim())
                        : new RowOrder.AsIs();
        boolean isVector = exported.shape().size() <= 1;
        Optional<TensorType> type =
                isVector || isExact(stored) ? Optional.of(TensorType.F32) : typeOf(exported, order);
        float added = isVector && normsHoldTheSum(name) ? 1 : 0;
        GgufRewrite.Tensor tensor = GgufRewrite.Tensor.of(name, matrix, order, added, type);
        String typeName = type.orElse(matrix.type()).name();
        List<Long> shape = exported.shape().isEmpty() ? List.of(1L) : exported.shape();
        plan.add(stored, typeName, shape, tensor);
        put(read, stored, typeName, shape, matrix.data());
    }

    /// Returns whether readers expect a matrix to be F32, or it is small: a router, the
    /// coefficients of several residuals, learned positions, token types, and what follows pooling.
    private static boolean isExact(String stored) {
        return stored.endsWith(".ffn_gate_inp.weight")
                || stored.endsWith(".altup_correct_coef.weight")
                || stored.endsWith(".altup_predict_coef.weight")
                || stored.equals("position_embd.weight")
                || stored.equals("token_types.weight")
                || stored.startsWith("cls.")
                || stored.startsWith("dense_");
    }

    /// Returns the type that a matrix gets; empty for one whose bytes are copied. One that is made
    /// of several keeps its type if one of them does.
    private Optional<TensorType> typeOf(ExportedTensors.Exported exported, RowOrder order) {
        WeightMatrix matrix = exported.matrix();
        boolean kept = exported.parts().stream().anyMatch(each -> types.apply(each).isEmpty());
        Optional<TensorType> type = kept ? Optional.empty() : types.apply(matrix);
        if (type.isPresent()) {
            return type;
        }
        if (!exported.parts().isEmpty()) {
            return Optional.of(matrix.type());
        }
        if (matrix.decoder().isPresent()) {
            throw new CheckpointException(
                    "%s: tensor %s is quantized in a way that GGUF has not: convert it to a type"
                            .formatted(source.path(), matrix.name()));
        }
        return order instanceof RowOrder.AsIs ? Optional.empty() : Optional.of(matrix.type());
    }

    /// Returns whether files have the sum 1 + w for a norm that multiplies by it.
    private boolean normsHoldTheSum(String name) {
        return name.endsWith("norm.weight")
                && switch (architecture) {
                    case "gemma", "gemma2", "gemma3", "gemma-embedding", "nemotron" -> true;
                    default -> false;
                };
    }

    private void add(
            GgufRewrite.Plan plan,
            Map<String, StoredTensor> read,
            String name,
            List<Float> values) {
        ByteBuffer bytes =
                ByteBuffer.allocate(values.size() * Float.BYTES).order(ByteOrder.LITTLE_ENDIAN);
        values.forEach(bytes::putFloat);
        MemorySegment data = MemorySegment.ofArray(bytes.array());
        var matrix =
                new WeightMatrix(name, TensorType.F32, values.size(), 1, new RowOrder.AsIs(), data);
        List<Long> shape = List.of((long) values.size());
        plan.add(
                name,
                TensorType.F32.name(),
                shape,
                GgufRewrite.Tensor.of(name, matrix, new RowOrder.AsIs(), 0, Optional.empty()));
        put(read, name, TensorType.F32.name(), shape, data);
    }

    private void put(
            Map<String, StoredTensor> read,
            String stored,
            String typeName,
            List<Long> shape,
            MemorySegment data) {
        read.put(
                names.huggingFace(stored),
                new StoredTensor(
                        Path.of(""),
                        stored,
                        typeName,
                        Optional.of(TensorType.F32),
                        shape,
                        new RowOrder.AsIs(),
                        data));
    }

    /// Refuses a model of which the file would say something else.
    ///
    /// @param rope as the file has it
    private void requireSame(RopeConfig rope, ModelConfig read) {
        SpecialIds ids = use.endsAsTokenizer() ? read.specialIds() : config.specialIds();
        boolean hasWindows = config.kvGroups().stream().anyMatch(each -> each.window() > 0);
        ModelConfig expected =
                comparable(
                        config,
                        rope,
                        config.windowRope().equals(config.rope()) || !hasWindows
                                ? rope
                                : config.windowRope(),
                        new SpecialIds(
                                ids.bos().isPresent() ? ids.bos() : read.specialIds().bos(),
                                ids.eos().stream().limit(GgufConfigWriter.EOS_IDS).toList()));
        ModelConfig actual =
                comparable(
                        read,
                        read.rope(),
                        hasWindows ? read.windowRope() : read.rope(),
                        read.specialIds());
        ConfigDifference.between(expected, actual)
                .ifPresent(
                        found -> {
                            throw new CheckpointException(
                                    "%s: %s is %s; a GGUF file of %s would be read with %s"
                                            .formatted(
                                                    source.path(),
                                                    found.name(),
                                                    shortened(found.first()),
                                                    architecture,
                                                    shortened(found.second())));
                        });
    }

    private static String shortened(Object value) {
        String text = value.toString();
        return text.length() <= SHOWN ? text : text.substring(0, SHOWN) + "…";
    }

    /// Returns a configuration without what differs between a folder and a file of it.
    private ModelConfig comparable(
            ModelConfig each, RopeConfig rope, RopeConfig windowRope, SpecialIds ids) {
        return new ModelConfig(
                architecture,
                each.hiddenSize(),
                each.layerCount(),
                each.feedForwardSize(),
                each.vocabularySize(),
                each.contextLength(),
                each.normEpsilon(),
                each.attention(),
                rope,
                windowRope,
                each.tiedEmbeddings(),
                each.kvGroups(),
                ids,
                TensorType.F32,
                withScale(each.details()));
    }

    /// Returns the details with the usual scale of attention in place of none, one name for the
    /// approximation of GELU by tanh, embeddings of each layer for all ids, and no positions of
    /// padding.
    private DecoderDetails withScale(DecoderDetails details) {
        return new DecoderDetails(
                details.activation().equals("gelu_new")
                        ? "gelu_pytorch_tanh"
                        : details.activation(),
                details.embeddingMultiplier(),
                details.residualMultiplier(),
                details.logitDivisor(),
                OptionalDouble.of(
                        details.attentionScale()
                                .orElse(1 / Math.sqrt(config.attention().headDim()))),
                details.attentionCap(),
                details.logitCap(),
                details.experts(),
                details.encoder().map(each -> new EncoderConfig(each.tokenTypes(), 0)),
                details.feedForwardLayers(),
                details.feedForwardSizes(),
                details.layerInputs()
                        .map(
                                each ->
                                        new LayerInputConfig(
                                                each.size(),
                                                Math.max(
                                                        each.vocabulary(),
                                                        config.vocabularySize()))),
                details.altUp(),
                details.positions());
    }
}
