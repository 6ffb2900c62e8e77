// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.model;

import static java.util.Map.entry;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import dev.lockstep.checkpoint.Checkpoint;
import dev.lockstep.checkpoint.TensorType;
import dev.lockstep.checkpoint.WeightMatrix;
import dev.lockstep.kernels.DType;
import dev.lockstep.kernels.cpu.CpuKernels;
import dev.lockstep.kernels.cpu.CpuOptions;
import dev.lockstep.kernels.cpu.InstructionSet;
import java.io.IOException;
import java.net.URISyntaxException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.nio.ShortBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.function.BiPredicate;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/// Tiny quantized checkpoints against what the reference of each format gives: the bits of every
/// dequantized matrix, and logits and greedy ids of a model with these weights in f32.
/// `src/test/python/record_quantized.py` wrote them.
class QuantizedGoldenTest {
    private static final boolean LONG = Boolean.getBoolean("lockstep.long");

    private static final String EXPERTS = "mxfp4-experts";

    private static final Map<String, Integer> CUTS =
            Map.ofEntries(
                    entry("fp8-blocks", 2),
                    entry("fp8-blocks-64", 2),
                    entry("gptq-act-order", 1),
                    entry("gptq-act-order-64", 2),
                    entry("awq-64", 3),
                    entry("gptq-8-asym-64", 2),
                    entry("bnb-nf4-64", 2),
                    entry("bnb-fp4-64", 2),
                    entry("ct-w4a16-channel-256", 3),
                    entry("ct-mxfp4", 3),
                    entry("ct-w8a8", 2),
                    entry("ct-w8a16-asym", 1),
                    entry("ct-nvfp4-128", 2),
                    entry("gguf-grids", 2),
                    entry("mlx", 2),
                    entry("mlx-64", 2));

    /// Their matrices multiply activations of eight bits, a scale per 32 values.
    private static final Set<String> ROUNDED =
            Set.of(
                    "gguf-grids",
                    "ct-mxfp4",
                    "ct-w4a16",
                    "ct-w4a16-channel",
                    "ct-w4a16-channel-256",
                    "ct-w4a8",
                    "ct-w4a8-packed",
                    "ct-w8a16",
                    "ct-w8a8",
                    "gptq",
                    "gptq-channel-256",
                    "gptq-8",
                    "gptq-act-order",
                    "gptq-act-order-64",
                    "gptq-asym-64",
                    "gptq-asym-v2",
                    "gptq-8-asym-64",
                    "awq",
                    "awq-64",
                    "ct-w4a16-asym",
                    "ct-w4a16-asym-64",
                    "ct-w8a16-asym",
                    "mlx",
                    "mlx-64");

    /// How far rounding the inputs of 14 products to 8 bits may move a logit from the recorded one.
    /// That it is this rounding alone which moves it is required by [QuantizedReference]; that it
    /// is little is measured: logits have a standard deviation of 1.9, and the maximum is 0.37 with
    /// grids, whose weights are not trained, and 0.13 elsewhere.
    private static final float LARGEST_DIFFERENCE = 0.5f;

    @TestFactory
    Stream<DynamicTest> everyDequantizedMatrixHasTheBitsOfItsReference() throws Exception {
        return folders().stream()
                .map(
                        folder ->
                                DynamicTest.dynamicTest(
                                        name(folder), () -> requireDequantized(folder)));
    }

    @TestFactory
    Stream<DynamicTest> logitsAndGreedyIdsMatchTheRecordedOnes() throws Exception {
        return ofRanks((folder, ranks) -> true, QuantizedGoldenTest::requireLogits);
    }

    @Test
    void whatIsChosenIsRecorded() throws Exception {
        Set<String> names =
                models().stream().map(QuantizedGoldenTest::name).collect(Collectors.toSet());
        assertTrue(names.containsAll(CUTS.keySet()), () -> CUTS.keySet() + " of " + names);
        assertTrue(names.containsAll(ROUNDED), () -> ROUNDED + " of " + names);
        assertTrue(
                names.containsAll(CudaGoldenTest.KINDS),
                () -> CudaGoldenTest.KINDS + " of " + names);
    }

    /// One of each kind of packed matrix, at a number of ranks that cuts it; all of them, at every
    /// number, in a long run.
    @TestFactory
    Stream<DynamicTest> aSequenceHasTheSameBitsAloneInAMixedBatchAndInChunks() throws Exception {
        return ofRanks(
                (folder, ranks) -> LONG || ranks.equals(CUTS.get(name(folder))),
                QuantizedGoldenTest::requireSameBits);
    }

    private static void requireSameBits(Path folder, int ranks) throws Exception {
        String type = isRounded(folder) ? "auto" : "f32";
        try (TestGroup group = TestGroup.load(model(folder), ranks, type, "f32")) {
            AnyBatch.requireSameBits(group, goldens(folder).prompts());
        }
    }

    private interface Check {
        void require(Path folder, int ranks) throws Exception;
    }

    private static Stream<DynamicTest> ofRanks(BiPredicate<Path, Integer> chosen, Check check)
            throws Exception {
        List<DynamicTest> tests = new ArrayList<>();
        for (Path folder : folders()) {
            for (int ranks = 1; ranks <= mostRanks(folder); ranks++) {
                int size = ranks;
                if (chosen.test(folder, size)) {
                    tests.add(
                            DynamicTest.dynamicTest(
                                    "%s, %d ranks".formatted(name(folder), size),
                                    () -> check.require(folder, size)));
                }
            }
        }
        return tests.stream();
    }

    /// Returns the number of its query heads, at most 3; 0 for what is no model.
    private static int mostRanks(Path folder) {
        return name(folder).startsWith("gguf") ? 2 : name(folder).equals(EXPERTS) ? 0 : 3;
    }

    /// The matrices are small, and the scales of a whole block of the file count for less in large
    /// ones: besides the codes only what the file has for each group of columns is counted, and the
    /// columns fill tiles.
    @ParameterizedTest
    @CsvSource({
        "fp8-blocks-64, mlp.down_proj, E4M3, 64, 0",
        "fp8-latent-64, self_attn.kv_b_proj, E4M3, 64, 0",
        "ct-fp8-tensor, self_attn.q_proj, E4M3, 64, 0",
        "ct-fp8-channel, mlp.up_proj, E4M3, 64, 0",
        "modelopt-fp8, mlp.gate_proj, E4M3, 64, 0",
        "modelopt-fp8-rows, mlp.down_proj, E4M3, 128, 0",
        "ct-w8a8, self_attn.q_proj, Q8_0, 64, 0",
        "ct-w4a16, self_attn.q_proj, Q4_0, 32, 16",
        "ct-w4a16-asym-64, mlp.down_proj, Q4_ZERO, 64, 20",
        "ct-w4a16-channel-256, mlp.down_proj, Q4_ZERO_128, 256, 16",
        "ct-w4a8, self_attn.q_proj, Q8_0, 32, 16",
        "ct-w4a8-packed, self_attn.q_proj, Q4_0, 32, 16",
        "ct-w8a16, self_attn.q_proj, Q8_0, 32, 16",
        "ct-w8a16-asym, mlp.down_proj, Q8_ZERO_32, 32, 24",
        "gptq, self_attn.q_proj, Q4_0, 32, 20",
        "gptq-channel-256, mlp.down_proj, Q4_ZERO_128, 256, 20",
        "gptq-8, self_attn.q_proj, Q8_0, 32, 24",
        "gptq-act-order, mlp.down_proj, Q4_ZERO_32, 32, 20",
        "gptq-act-order-64, self_attn.k_proj, Q4_0, 64, 20",
        "gptq-asym-64, self_attn.q_proj, Q4_ZERO, 64, 20",
        "gptq-8-asym-64, self_attn.q_proj, Q8_ZERO, 64, 24",
        "awq, mlp.down_proj, Q4_ZERO_32, 32, 20",
        "awq-64, mlp.down_proj, Q4_ZERO, 64, 20",
        "bnb-nf4-64, mlp.down_proj, NF4, 64, 8",
        "bnb-fp4-64, mlp.down_proj, FP4, 64, 8",
        "ct-mxfp4, self_attn.q_proj, MXFP4, 32, 8",
        "ct-nvfp4-128, mlp.down_proj, NVFP4, 16, 8",
        "modelopt-nvfp4-128, mlp.up_proj, NVFP4, 16, 8",
        "mlx, mlp.up_proj, Q4_1, 32, 32",
        "mlx-64, mlp.up_proj, Q4_OFFSET, 64, 32",
        "mlx-64, mlp.down_proj, Q8_OFFSET, 64, 32"
    })
    void aPackedMatrixTakesAtMostATenthMoreThanItsFile(
            String folder, String layer, TensorType type, int group, int groupBits)
            throws Exception {
        Checkpoint checkpoint = Checkpoint.openFiles(root().resolve(folder));
        WeightMatrix matrix = checkpoint.tensor("model.layers.0.%s.weight".formatted(layer));
        assertEquals(0, matrix.columns() % group);
        long groups = (long) matrix.rows() * matrix.columns() / group;
        requirePacked(matrix, type, matrix.data().byteSize() + groups * groupBits / Byte.SIZE);
    }

    /// Three experts of 8 rows: a tile has 16.
    @Test
    void packedExpertsTakeAtMostATenthMoreThanTheirFile() throws Exception {
        Checkpoint checkpoint = Checkpoint.openFiles(root().resolve(EXPERTS));
        WeightMatrix all = checkpoint.tensor("experts.gate_up_proj");
        requirePacked(all.part(0, 16), TensorType.MXFP4, 16L * all.columns() / 32 * 17);
    }

    private static void requirePacked(WeightMatrix matrix, TensorType type, long fileBytes) {
        assertEquals(type, matrix.type());
        assertEquals(matrix, matrix.exact());
        List<InstructionSet> sets =
                InstructionSet.available().stream().filter(InstructionSet::isNative).toList();
        for (InstructionSet set : sets) {
            try (CpuKernels kernels = CpuKernels.open(CpuOptions.ofThreads(1).with(set))) {
                for (DType compute : kernels.capabilities().computeTypes()) {
                    long bytes =
                            kernels.packedBytes(type, compute, matrix.rows(), matrix.columns(), 0);
                    assertTrue(bytes <= 1.1 * fileBytes, bytes + " bytes for " + fileBytes);
                }
            }
        }
    }

    @Test
    void matricesOfGgufFilesStayAsTheyAreInTheFile() throws Exception {
        Path folder = root().resolve("gguf-grids");
        Checkpoint checkpoint = Checkpoint.openFiles(model(folder));
        Set<TensorType> types = EnumSet.noneOf(TensorType.class);
        try (CpuKernels kernels = CpuKernels.open(CpuOptions.ofThreads(1))) {
            for (String name : checkpoint.tensorNames()) {
                WeightMatrix matrix = checkpoint.tensor(name);
                if (matrix.type().isQuantized()) {
                    types.add(matrix.type());
                    assertEquals(Optional.empty(), matrix.decoder());
                    // The bytes of a tile are rounded up, which counts for less in large ones.
                    int columns = 8 * matrix.columns();
                    long bytes =
                            kernels.packedBytes(
                                    matrix.type(), DType.F32, matrix.rows(), columns, 0);
                    assertTrue(bytes <= 1.1 * 8 * matrix.data().byteSize(), name);
                }
            }
        }
        assertEquals(
                EnumSet.of(
                        TensorType.IQ4_XS,
                        TensorType.IQ3_S,
                        TensorType.IQ3_XXS,
                        TensorType.IQ2_S,
                        TensorType.IQ2_XS,
                        TensorType.IQ2_XXS,
                        TensorType.IQ1_M,
                        TensorType.IQ1_S,
                        TensorType.TQ2_0,
                        TensorType.TQ1_0,
                        TensorType.MXFP4),
                types);
        assertEquals(Optional.empty(), checkpoint.decodedMatrices());
    }

    private static void requireDequantized(Path folder) throws Exception {
        Checkpoint checkpoint = Checkpoint.openFiles(model(folder));
        JsonNode recorded = Goldens.json(folder.resolve("golden.json")).get("dequantized");
        for (Map.Entry<String, JsonNode> entry : recorded.properties()) {
            WeightMatrix matrix = checkpoint.tensor(entry.getKey());
            boolean gguf = !model(folder).equals(folder);
            boolean half = name(folder).startsWith("gptq") || name(folder).startsWith("awq");
            if (name(folder).startsWith("mlx") && matrix.type().isQuantized()) {
                requireNearPlain(matrix);
                matrix = matrix.plain();
            }
            for (InstructionSet set :
                    gguf ? InstructionSet.available() : List.of(InstructionSet.best())) {
                byte[] values = QuantizedValues.bytes(matrix, set);
                if (matrix.type().isQuantized() && !gguf) {
                    values = rounded(values, half);
                }
                byte[] digest = MessageDigest.getInstance("SHA-256").digest(values);
                assertEquals(
                        entry.getValue().asText(),
                        HexFormat.of().formatHex(digest),
                        "%s as %s, %s".formatted(entry.getKey(), matrix.type(), set));
            }
        }
    }

    /// MLX rounds the product of code and scale to f16 before it adds the offset, and the sum:
    /// repacked weights do neither. An offset is a weight of the matrix, that of the code 0, about;
    /// so a product is at most twice the largest weight.
    private static void requireNearPlain(WeightMatrix matrix) {
        FloatBuffer exact = floats(QuantizedValues.bytes(matrix, InstructionSet.best()));
        ShortBuffer plain =
                ByteBuffer.wrap(QuantizedValues.bytes(matrix.plain(), InstructionSet.best()))
                        .order(ByteOrder.LITTLE_ENDIAN)
                        .asShortBuffer();
        float largest = 0;
        float difference = 0;
        for (int i = 0; i < exact.capacity(); i++) {
            float value = Float.float16ToFloat(plain.get(i));
            largest = Math.max(largest, Math.abs(value));
            difference = Math.max(difference, Math.abs(value - exact.get(i)));
        }
        assertEquals(matrix.rows() * matrix.columns(), plain.capacity());
        assertTrue(difference <= 3.01 * 0x1p-11 * largest, matrix.name());
    }

    private static FloatBuffer floats(byte[] bytes) {
        return ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).asFloatBuffer();
    }

    /// Returns the floats as the reference rounds them, to f16 or to bf16.
    private static byte[] rounded(byte[] floats, boolean half) {
        ByteBuffer from = ByteBuffer.wrap(floats).order(ByteOrder.LITTLE_ENDIAN);
        ByteBuffer to = ByteBuffer.allocate(floats.length / 2).order(ByteOrder.LITTLE_ENDIAN);
        while (from.hasRemaining()) {
            float value = from.getFloat();
            int bits = Float.floatToRawIntBits(value);
            to.putShort(
                    half
                            ? Float.floatToFloat16(value)
                            : (short) ((bits + 0x7FFF + ((bits >>> 16) & 1)) >>> 16));
        }
        return to.array();
    }

    static Path model(Path folder) {
        Path file = folder.resolve("model.gguf");
        return Files.exists(file) ? file : folder;
    }

    private static void requireLogits(Path folder, int ranks) throws Exception {
        ModelSource.open(model(folder)).requireLoadable(ranks);
        if (isRounded(folder)) {
            requireRounded(folder, ranks);
            return;
        }
        try (TestGroup group = TestGroup.load(folder, ranks, "f32", "f32")) {
            for (Goldens.Case golden : goldens(folder).cases()) {
                FamilyGoldenTest.assertClose(golden.logits(), GgufGoldenTest.logits(group, golden));
                assertArrayEquals(
                        golden.greedy(), group.greedy(golden.prompt(), golden.greedy().length, 1));
            }
        }
    }

    private static void requireRounded(Path folder, int ranks) throws Exception {
        var reference = new QuantizedReference(model(folder));
        QuantizedProducts products = reference.products();
        CpuRanks observed = new CpuRanks().viewedBy(products::observed);
        try (TestGroup group = TestGroup.load(model(folder), ranks, "auto", "f32", observed)) {
            for (Goldens.Case golden : goldens(folder).cases()) {
                int[] prompt = golden.prompt();
                if (ranks == 1) {
                    reference.requireRecorded(golden);
                }
                reference.requireLogits(group, products, prompt, golden.greedy().length);
                requireNear(golden.logits(), GgufGoldenTest.logits(group, golden));
            }
            assertTrue(products.roundsToInt8(), name(folder));
        }
    }

    private static void requireNear(float[][] expected, float[][] actual) {
        for (int t = 0; t < expected.length; t++) {
            assertArrayEquals(expected[t], actual[t], LARGEST_DIFFERENCE);
        }
    }

    static Goldens goldens(Path folder) {
        return Goldens.of(
                Goldens.json(folder.resolve("golden.json")).get("cases"),
                folder.resolve("golden-logits.safetensors"),
                "");
    }

    static boolean isRounded(Path folder) {
        return ROUNDED.contains(name(folder));
    }

    static String name(Path folder) {
        return folder.getFileName().toString();
    }

    /// Returns all folders that have a whole model.
    static List<Path> models() throws IOException, URISyntaxException {
        return folders().stream().filter(folder -> !name(folder).equals(EXPERTS)).toList();
    }

    private static Path root() throws URISyntaxException {
        return Path.of(
                Objects.requireNonNull(QuantizedGoldenTest.class.getResource("/quantized"))
                        .toURI());
    }

    private static List<Path> folders() throws IOException, URISyntaxException {
        try (Stream<Path> folders = Files.list(root())) {
            return folders.sorted().toList();
        }
    }
}
