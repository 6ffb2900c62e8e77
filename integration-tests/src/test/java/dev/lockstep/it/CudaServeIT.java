// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.it;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.lockstep.checkpoint.Fixtures;
import dev.lockstep.cluster.process.ExitCode;
import dev.lockstep.kernels.cuda.EmulatedCuda;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

/// Clusters whose workers have a GPU each, of the emulated libraries of CUDA: a process for each
/// rank, NCCL between them.
@ExtendWith(LogsOnFailure.class)
final class CudaServeIT {
    /// f32 sums in another order change a logit by at most 7e-6; a wrong layer changes it by 4e-4
    /// or more.
    private static final double LOGPROB_TOLERANCE = 2e-4;

    private static final int SAMPLED = 64;
    private static final int TOKENS = 6;

    /// Weights rounded to bf16 change a logit of a dense model by up to 7e-2.
    private static final double BF16_TOLERANCE = 0.2;

    /// How far the output of another device may be from the CPU's.
    private static final double OUTPUT_TOLERANCE = 1e-5;

    @Test
    void aServedModelGeneratesAsRecordedOnAnEmulatedGpu() throws Exception {
        Path model = Fixtures.require("models/llama");
        try (ServedCluster cluster =
                CudaClusters.start(Sandbox.quick(), model, 1, "--disable-cuda-graph")) {
            requireRecorded(cluster, GoldenCase.of(model), 1);
        }
    }

    /// The second time prompts begin with snapshots of their states.
    @Test
    void aModelWithStatesGeneratesAsRecordedOnTwoEmulatedGpus() throws Exception {
        Path model = Fixtures.require("models/qwen3-next");
        try (ServedCluster cluster = CudaClusters.start(Sandbox.quick(), model, 2)) {
            for (int i = 0; i < 2; i++) {
                requireRecorded(cluster, GoldenCase.of(model), 2);
            }
            assertTrue(cluster.group().getCachedTokens() > 0, "no snapshot was used");
        }
    }

    private static void requireRecorded(ServedCluster cluster, List<GoldenCase> cases, int ranks)
            throws Exception {
        assertEquals(ranks, cluster.group().getRanksCount());
        assertEquals("sm_90a", cluster.group().getRanks(0).getInstructionSet());
        for (GoldenCase each : cases) {
            assertEquals(each.greedy(), generate(cluster, each.request()));
        }
        new PromptOutputs(cluster.api(), cluster.admin(), LOGPROB_TOLERANCE)
                .assertAsRecorded(cases.get(2));
    }

    /// Whether the first id is the recorded one depends on the model's gap there: it is compared
    /// where the gap is more than the rounding changes two logits by.
    @Test
    void aModelServedInBf16StaysWithinTheBoundsOfItsRounding() throws Exception {
        Path model = Fixtures.require("models/olmo2");
        List<GoldenCase> cases = GoldenCase.of(model);
        try (ServedCluster cluster =
                CudaClusters.start(Sandbox.quick(), model, 1, "--dtype=bf16", "--kv-dtype=bf16")) {
            assertTrue(
                    cluster.launcher().output().contains("compute bf16, KV bf16"),
                    cluster.launcher()::output);
            int compared = 0;
            for (GoldenCase each : cases) {
                List<Integer> ids = generate(cluster, CompletionBodies.greedy(each.prompt(), 3));
                assertEquals(3, ids.size());
                double[] sorted = Arrays.stream(each.lastLogprobs()).sorted().toArray();
                if (sorted[sorted.length - 1] - sorted[sorted.length - 2] > BF16_TOLERANCE) {
                    assertEquals(each.greedy().getFirst(), ids.getFirst());
                    compared++;
                }
            }
            assertEquals(2, compared);
            new PromptOutputs(cluster.api(), cluster.admin(), BF16_TOLERANCE)
                    .assertAsRecorded(cases.get(2));
        }
    }

    /// Steps of several rows run as recordings of a padded size, collectives included.
    @Test
    void twoRanksGiveWhatIsRecordedAndWhatTheCpuComputes() throws Exception {
        Path model = Fixtures.require("models/llama");
        List<List<Integer>> expected;
        List<double[]> outputs;
        try (ServedCluster cluster =
                ServedCluster.start(Sandbox.quick(), model, "--dtype=f32", "--kv-dtype=f32")) {
            expected = sampled(cluster);
            outputs = promptOutputs(cluster);
        }
        try (ServedCluster cluster = CudaClusters.start(Sandbox.quick(), model, 2)) {
            requireRecorded(cluster, GoldenCase.of(model), 2);
            assertEquals(expected, sampled(cluster));
            List<double[]> found = promptOutputs(cluster);
            for (int i = 0; i < outputs.size(); i++) {
                assertArrayEquals(outputs.get(i), found.get(i), OUTPUT_TOLERANCE, "output " + i);
            }
        }
    }

    /// Returns embeddings, scores and the log-probabilities of prompts, one shorter and one longer
    /// than a step.
    private static List<double[]> promptOutputs(ServedCluster cluster) {
        List<double[]> outputs = new ArrayList<>();
        for (int length : List.of(40, 150)) {
            List<Integer> ids = new Random(length).ints(length, 3, 512).boxed().toList();
            for (String pooling : List.of("mean", "last")) {
                ObjectNode body =
                        JsonNodes.object()
                                .put("model", ServedCluster.MODEL)
                                .put("pooling", pooling);
                body.set("input", JsonNodes.array(ids));
                JsonNode response = cluster.api().post("/v1/embeddings", body).ok();
                outputs.add(doubles(response.at("/data/0/embedding")));
            }
            ObjectNode body = JsonNodes.object().put("model", ServedCluster.MODEL);
            body.set("prompt", JsonNodes.array(ids.subList(0, 10)));
            body.set("continuation", JsonNodes.array(ids.subList(10, length)));
            JsonNode scores = cluster.api().post("/score", body).ok();
            double[] logprobs = doubles(scores.path("token_logprobs"));
            assertEquals(length - 10, logprobs.length);
            outputs.add(logprobs);
            outputs.add(PromptOutputs.logprobs(cluster.admin(), ids));
        }
        return outputs;
    }

    private static double[] doubles(JsonNode values) {
        double[] doubles = new double[values.size()];
        Arrays.setAll(doubles, i -> values.path(i).doubleValue());
        return doubles;
    }

    @Test
    void aStartWithoutWhatItNeedsIsRefusedByName() throws Exception {
        Path libraries = EmulatedCuda.folder();
        Sandbox sandbox = Sandbox.quick();
        try (sandbox) {
            Path model = Models.tiny(sandbox, 1);
            String found = "--cuda-libraries=" + libraries;
            String cuda = "--device=cuda";
            assertRefused(
                    sandbox, model, "", List.of("--gpus", "GPU 7", "4"), cuda, found, "--gpus=7");
            assertRefused(
                    sandbox,
                    model,
                    "",
                    List.of("--cuda-libraries", "no/such/folder"),
                    cuda,
                    "--cuda-libraries=no/such/folder");
            assertRefused(
                    sandbox,
                    model,
                    "CUDA_EMULATION_DEVICES=1",
                    List.of("--tensor-parallel is 2", "1 GPUs"),
                    cuda,
                    found,
                    "--tensor-parallel=2");
            assertRefused(
                    sandbox,
                    model,
                    "CUDA_EMULATION_DEVICES=0",
                    List.of("--device cuda", "code 100 (no device)", "nvidia-smi"),
                    cuda,
                    found);
            assertRefused(
                    sandbox,
                    model,
                    "CUDA_EMULATION_DRIVER=12080",
                    List.of("--device cuda", "12.8", "13.0", "driver 580"),
                    cuda,
                    found);
            assertRefused(
                    sandbox,
                    model,
                    "CUDA_EMULATION_CAPABILITY=75",
                    List.of("--device cuda", "compute capability 7.5", "8.0"),
                    cuda,
                    found);
            assertRefused(
                    sandbox,
                    model,
                    "CUDA_EMULATION_MEMORY=" + (1 << 30),
                    List.of(
                            "weights take",
                            "activations of 8 sequences",
                            "KV memory is 2,048 MiB",
                            "of GPU memory may be used",
                            "--max-num-seqs=8 --kv-memory=",
                            "would fit"),
                    cuda,
                    found,
                    "--disable-cuda-graph",
                    "--max-num-seqs=8",
                    "--kv-memory=2G");
        }
    }

    private static void assertRefused(
            Sandbox sandbox, Path model, String variable, List<String> words, String... flags)
            throws Exception {
        List<String> all = new ArrayList<>(List.of(flags));
        all.add("--model=" + model);
        all.add("--port=0");
        all.add("--run-folder=" + sandbox.folder());
        LockstepProcess launcher =
                sandbox.start(
                        "refused",
                        "serve",
                        all,
                        variable.isEmpty() ? List.of() : List.of("env", variable));
        assertEquals(ExitCode.UNUSABLE, launcher.awaitExit(), launcher::errors);
        List<String> lines =
                launcher.errors()
                        .lines()
                        .filter(line -> line.startsWith("lockstep serve: "))
                        .toList();
        assertEquals(1, lines.size(), launcher::errors);
        for (String word : words) {
            assertTrue(lines.getFirst().contains(word), () -> word + " is in: " + lines);
        }
    }

    private static List<List<Integer>> sampled(ServedCluster cluster) throws Exception {
        var random = new Random(3);
        List<List<Integer>> prompts =
                IntStream.range(0, SAMPLED)
                        .mapToObj(i -> random.ints(1 + i % 9, 3, 512).boxed().toList())
                        .toList();
        return Together.map(
                IntStream.range(0, SAMPLED).boxed().toList(),
                i ->
                        generate(
                                cluster,
                                CompletionBodies.greedy(prompts.get(i), TOKENS)
                                        .put("temperature", 1)
                                        .put("top_p", 0.9)
                                        .put("seed", i)));
    }

    private static List<Integer> generate(ServedCluster cluster, JsonNode body) {
        return Generated.of(cluster.api().post(CompletionBodies.COMPLETIONS, body).ok()).ids();
    }
}
