// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.it;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import dev.lockstep.checkpoint.Fixtures;
import dev.lockstep.cluster.process.ExitCode;
import dev.lockstep.kernels.cuda.EmulatedCuda;
import dev.lockstep.proto.v1.GroupStatus;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/// Clusters whose workers have a GPU each, of the emulated libraries of CUDA: a process for each
/// rank, NCCL between them.
@ExtendWith(LogsOnFailure.class)
final class CudaServeIT {
    /// f32 sums in another order change a logit by at most 7e-6; a wrong layer changes it by 4e-4
    /// or more.
    private static final double LOGPROB_TOLERANCE = 2e-4;

    private static final int SAMPLED = 64;
    private static final int TOKENS = 6;

    @ParameterizedTest
    @CsvSource({"1, true", "2, false"})
    void aServedModelGeneratesAsRecordedOnEmulatedGpus(int ranks, boolean eager) throws Exception {
        Path model = Fixtures.require("models/llama");
        List<GoldenCase> cases =
                GoldenCase.read(
                        JsonNodes.read(model.resolve("golden.json")),
                        model.resolve("golden-logits.safetensors"),
                        "");
        try (ServedCluster cluster = onGpus(model, ranks, "--disable-cuda-graph=" + eager)) {
            assertEquals(ranks, cluster.group().getRanksCount());
            assertEquals("sm_90a", cluster.group().getRanks(0).getInstructionSet());
            for (GoldenCase each : cases) {
                assertEquals(
                        each.greedy(),
                        generate(
                                cluster,
                                CompletionBodies.greedy(each.prompt(), each.greedy().size())));
            }
            new PromptOutputs(cluster.api(), cluster.admin(), LOGPROB_TOLERANCE)
                    .assertAsRecorded(cases.get(2));
        }
    }

    /// Steps of several rows run as recordings of a padded size, collectives included.
    @Test
    void requestsWithASeedGetTheIdsOfTheCpu() throws Exception {
        Sandbox sandbox = Sandbox.quick();
        Path model = Models.tiny(sandbox, 1);
        List<List<Integer>> expected;
        try (ServedCluster cluster =
                ServedCluster.start(sandbox, model, "--dtype=f32", "--kv-dtype=f32")) {
            expected = sampled(cluster);
        }
        Sandbox other = Sandbox.quick();
        try (ServedCluster cluster = onGpus(other, Models.tiny(other, 1), 2)) {
            assertEquals(expected, sampled(cluster));
        }
    }

    /// A worker that survives records its steps again, on rows that write to no block.
    @Test
    void aLostRankOrSchedulerLeavesProcessesAndBlocksToTheNextEpoch() throws Exception {
        Sandbox sandbox = Sandbox.quick();
        try (ServedCluster cluster = onGpus(sandbox, Models.tiny(sandbox, 4), 2)) {
            List<Integer> prompt = IntStream.range(3, 63).boxed().toList();
            JsonNode body = CompletionBodies.greedy(prompt, 20);
            List<Integer> before = generate(cluster, body);
            GroupStatus first = cluster.group();
            PosixSignals.send("KILL", Long.toString(first.getRanks(1).getPid()));
            awaitEpochAfter(first.getEpoch(), cluster);
            GroupStatus second = cluster.group();
            assertEquals(first.getRanks(0).getPid(), second.getRanks(0).getPid());
            assertEquals(before, generate(cluster, body));
            PosixSignals.send("KILL", Long.toString(sandbox.processIdOf("scheduler")));
            awaitEpochAfter(second.getEpoch(), cluster);
            assertEquals(before, generate(cluster, body));
            GroupStatus third = cluster.group();
            assertEquals(48, third.getCachedTokens(), "three full blocks of the prompt's tokens");
            assertEquals(second.getRanks(1).getPid(), third.getRanks(1).getPid());
        }
    }

    private static void awaitEpochAfter(long epoch, ServedCluster cluster) throws Exception {
        BoundedWait.await(
                "a later epoch serves",
                () ->
                        cluster.admin()
                                .group(cluster.sandbox().group())
                                .filter(group -> group.getReady() && group.getEpoch() > epoch)
                                .isPresent());
    }

    @Test
    void aStartWithoutWhatItNeedsIsRefusedByName() throws Exception {
        Path libraries = EmulatedCuda.folder();
        Sandbox sandbox = Sandbox.quick();
        try (sandbox) {
            Path model = Models.tiny(sandbox, 1);
            assertRefused(
                    sandbox,
                    ExitCode.UNUSABLE,
                    List.of("--gpus", "GPU 7", "4"),
                    "--model=" + model,
                    "--device=cuda",
                    "--gpus=7",
                    "--cuda-libraries=" + libraries);
            assertRefused(
                    sandbox,
                    ExitCode.USAGE,
                    List.of("--threads", "cuda", "--device=cpu"),
                    "--model=" + model,
                    "--device=cuda",
                    "--threads=2",
                    "--cuda-libraries=" + libraries);
            assertRefused(
                    sandbox,
                    ExitCode.UNUSABLE,
                    List.of("--cuda-libraries", "no/such/folder"),
                    "--model=" + model,
                    "--device=cuda",
                    "--cuda-libraries=no/such/folder");
        }
    }

    private static void assertRefused(
            Sandbox sandbox, int exitCode, List<String> words, String... flags) throws Exception {
        List<String> all = new ArrayList<>(List.of(flags));
        all.add("--port=0");
        all.add("--run-folder=" + sandbox.folder());
        LockstepProcess launcher = sandbox.start("refused", "serve", all);
        assertEquals(exitCode, launcher.awaitExit(), launcher::errors);
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

    private static ServedCluster onGpus(Path model, int ranks, String... more) throws Exception {
        return onGpus(Sandbox.quick(), model, ranks, more);
    }

    private static ServedCluster onGpus(Sandbox sandbox, Path model, int ranks, String... more)
            throws Exception {
        List<String> flags =
                new ArrayList<>(
                        List.of(
                                "--device=cuda",
                                "--cuda-libraries=" + EmulatedCuda.folder(),
                                "--tensor-parallel=" + ranks,
                                "--dtype=f32",
                                "--kv-dtype=f32",
                                "--kv-memory=8M",
                                "--max-num-seqs=8",
                                "--max-num-batched-tokens=64"));
        flags.addAll(List.of(more));
        return ServedCluster.start(sandbox, model, flags.toArray(String[]::new));
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
