// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.it;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
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

    /// An illegal address in a step: the context of the process cannot be used any more.
    @Test
    void aWorkerWhoseDeviceIsLostEndsWithItsOwnCodeAndIsReplaced() throws Exception {
        Sandbox sandbox = Sandbox.quick();
        try (ServedCluster cluster =
                onGpus(
                        sandbox,
                        List.of("env", "CUDA_EMULATION_FAULTS=cuLaunchKernel:3000:700"),
                        Models.tiny(sandbox, 4),
                        1,
                        "--disable-cuda-graph")) {
            GroupStatus before = cluster.group();
            ObjectNode body = CompletionBodies.greedy(List.of(5, 6, 7), 400);
            assertEquals(503, cluster.api().post(CompletionBodies.COMPLETIONS, body).status());
            awaitEpochAfter(before.getEpoch(), cluster);
            assertTrue(
                    cluster.launcher()
                            .errors()
                            .contains("worker-0 ended with exit code 86 and is restarted"),
                    cluster.launcher()::errors);
            assertEquals(4, generate(cluster, CompletionBodies.greedy(List.of(5, 6, 7), 4)).size());
        }
    }

    private static ServedCluster onGpus(Path model, int ranks, String... more) throws Exception {
        return onGpus(Sandbox.quick(), model, ranks, more);
    }

    private static ServedCluster onGpus(Sandbox sandbox, Path model, int ranks, String... more)
            throws Exception {
        return onGpus(sandbox, List.of(), model, ranks, more);
    }

    /// @param by the command that starts `serve`
    private static ServedCluster onGpus(
            Sandbox sandbox, List<String> by, Path model, int ranks, String... more)
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
        return ServedCluster.startBy(by, sandbox, model, flags.toArray(String[]::new));
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
