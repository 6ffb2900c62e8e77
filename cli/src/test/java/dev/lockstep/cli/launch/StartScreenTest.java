// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli.launch;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.lockstep.checkpoint.GenerationDefaults;
import dev.lockstep.checkpoint.KvGroup;
import dev.lockstep.cli.hub.ModelChoice;
import dev.lockstep.cluster.process.HostCpus;
import dev.lockstep.cluster.process.Settings;
import dev.lockstep.kernels.cpu.InstructionSet;
import dev.lockstep.model.KvCapacity;
import dev.lockstep.proto.v1.GroupStatus;
import dev.lockstep.proto.v1.RankInfo;
import dev.lockstep.text.ModelTemplate;
import dev.lockstep.worker.DeviceChoice;
import dev.lockstep.worker.MemoryPlan;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;

class StartScreenTest {
    private static final long MIB = 1L << 20;
    private static final TextCheck TEXT =
            new TextCheck(GenerationDefaults.NONE, new ModelTemplate.Missing());

    private static RankInfo.Builder rank(int rank, int threads, String shard) {
        return RankInfo.newBuilder()
                .setRank(rank)
                .setDevice("AMD EPYC 9B14")
                .setInstructionSet("avx512_bf16")
                .setThreads(threads)
                .setShard(shard)
                .setWeightType("q4_1")
                .setComputeType("f32")
                .setKvType("f16")
                .setWeightBytes(50 * MIB)
                .setKvBytes(600 * MIB)
                .setActivationBytes(25 * MIB);
    }

    private static String screen(String host, HostPlan plan, RankInfo.Builder... ranks) {
        return screen(host, plan, memory(List.of(), KvGroup.full(List.of(0))), ranks);
    }

    private static MemoryPlan memory(List<String> lowered, KvGroup... groups) {
        return new MemoryPlan(
                List.of(), new KvCapacity(List.of(groups), 16, 46_080), 8192, 64, lowered);
    }

    private static String screen(
            String host, HostPlan plan, MemoryPlan memory, RankInfo.Builder... ranks) {
        return screen(host, plan, memory, TEXT, ranks);
    }

    private static String screen(
            String host,
            HostPlan plan,
            MemoryPlan memory,
            TextCheck check,
            RankInfo.Builder... ranks) {
        GroupStatus.Builder group =
                GroupStatus.newBuilder()
                        .setModel("smollm2-135m-instruct")
                        .setBlocksTotal(12345)
                        .setBlockSize(16)
                        .setMaxModelLen(8192)
                        .setMaxNumSeqs(64)
                        .setMaxNumBatchedTokens(208);
        for (RankInfo.Builder rank : ranks) {
            group.addRanks(rank);
        }
        var config =
                new LauncherConfig(
                        Settings.parse(LauncherConfig.SPEC, List.of(), Map.of()),
                        new ModelChoice(Path.of("/models/smollm2.gguf"), "smollm2-135m-instruct"),
                        8000,
                        Optional.empty(),
                        Path.of("/tmp/lockstep-2"),
                        Path.of("/tmp/lockstep-1"),
                        Optional.empty());
        return StartScreen.text(
                new Launcher.Ready(host, 8000, group.build()),
                config,
                new Shape(
                        new DeviceChoice.Cpu(InstructionSet.best(), false, "--device is cpu"),
                        memory,
                        plan),
                check,
                134_515_008,
                Duration.ofMillis(4321));
    }

    private static HostPlan plan(List<Integer> cores, int threads) {
        return HostPlan.of(List.of(2L, 1L), new HostCpus(cores.size(), cores), threads, 1 << 20);
    }

    @Test
    void theScreenDescribesTheCluster() {
        assertEquals(
                """
                  model        smollm2-135m-instruct, /models/smollm2.gguf
                  parameters   134.5 million
                  types        weights q4_1, compute f32, KV f16
                  device       AMD EPYC 9B14, avx512_bf16 (--device is cpu)
                  ranks        2, 2 of 2 cores
                    rank 0     1 thread; heads 0-5 of 9
                               weights 50.0 MiB + KV 600.0 MiB + activations 25.0 MiB = 675.0 MiB
                    rank 1     1 thread; heads 6-8 of 9
                               weights 50.0 MiB + KV 600.0 MiB + activations 25.0 MiB = 675.0 MiB
                  KV cache     12,345 blocks of 16 tokens: 197,520 tokens of 46,080 B
                  limits       8,192 tokens a sequence, 64 sequences at once, 208 tokens a step
                  memory       weights 100.0 MiB + KV 1.17 GiB + activations 50.0 MiB = 1.32 GiB
                  OpenAI API   http://127.0.0.1:8000/v1
                  gRPC         127.0.0.1:8000
                  logs         /tmp/lockstep-1
                  ready after  4.3 s
                """,
                screen(
                        "127.0.0.1",
                        plan(List.of(0, 1), 2),
                        rank(0, 1, "heads 0-5 of 9"),
                        rank(1, 1, "heads 6-8 of 9")));
    }

    @Test
    void limitsBelowTheirDefaultsAreShown() {
        String text =
                screen(
                        "127.0.0.1",
                        plan(List.of(0, 1), 2),
                        memory(
                                List.of("--max-model-len 8,192 to 512: little memory"),
                                KvGroup.full(List.of(0))),
                        rank(0, 2, "all"));
        assertEquals(
                "  lowered      --max-model-len 8,192 to 512: little memory",
                line(text, "lowered"));
    }

    @Test
    void samplingValuesOfTheModelAndABrokenTemplateAreShown() {
        String text =
                screen(
                        "127.0.0.1",
                        plan(List.of(0, 1), 2),
                        memory(List.of(), KvGroup.full(List.of(0))),
                        new TextCheck(
                                new GenerationDefaults(0.6, 20, 0.95, 0.1, 1.05),
                                new ModelTemplate.Broken("/m/t.jinja: template line 1: odd")),
                        rank(0, 2, "all"));
        assertEquals(
                "  sampling     temperature 0.6, top_k 20, top_p 0.95, min_p 0.1, repetition_penalty 1.05,"
                        + " where a request gives no value",
                line(text, "sampling"));
        assertEquals(
                "  no chats     /m/t.jinja: template line 1: odd; see --chat-template",
                line(text, "no chats"));
    }

    @Test
    void theBytesOfATokenInEachKvGroupAreShown() {
        String text =
                screen(
                        "127.0.0.1",
                        plan(List.of(0, 1), 2),
                        memory(
                                List.of(),
                                KvGroup.full(List.of(0)),
                                KvGroup.window(List.of(1, 2), 512)),
                        rank(0, 2, "all"));
        assertEquals(
                "  KV cache     12,345 blocks of 16 tokens: 197,520 tokens of 46,080 B (15,360 B in"
                        + " full layers, 30,720 B in windows of 512)",
                line(text, "KV cache"));
    }

    @Test
    void anEncoderHasNoCache() {
        var none =
                new KvCapacity(
                        List.of(KvGroup.full(List.of(0))),
                        List.of(new KvCapacity.Extent(1, 1, 1)),
                        16,
                        46_080,
                        false);
        String text =
                screen(
                        "127.0.0.1",
                        plan(List.of(0, 1), 2),
                        new MemoryPlan(List.of(), none, 512, 64, List.of()),
                        rank(0, 2, "all"));
        assertEquals(
                "  KV cache     none: a prompt is one row of one step", line(text, "KV cache"));
    }

    @Test
    void moreThreadsThanCoresAreShown() {
        String text =
                screen("127.0.0.1", plan(List.of(0), 3), rank(0, 2, "half"), rank(1, 1, "half"));
        assertEquals(
                "  ranks        2, 3 of 1 cores (more threads than cores: no thread spins)",
                line(text, "ranks"));
        assertEquals("    rank 0     2 threads; half", line(text, "rank 0"));
    }

    @Test
    void theUrlCanBeOpened() {
        for (Map.Entry<String, String> address :
                Map.of(
                                "0.0.0.0", "127.0.0.1",
                                "::", "127.0.0.1",
                                "::1", "[::1]",
                                "example.org", "example.org")
                        .entrySet()) {
            String text = screen(address.getKey(), plan(List.of(0, 1), 2), rank(0, 2, "all"));
            assertEquals(
                    "  OpenAI API   http://" + address.getValue() + ":8000/v1",
                    line(text, "OpenAI"));
            assertEquals("  gRPC         " + address.getValue() + ":8000", line(text, "gRPC"));
        }
    }

    private static String line(String text, String key) {
        return text.lines()
                .filter(line -> line.strip().startsWith(key))
                .findFirst()
                .orElse("no line " + key);
    }
}
