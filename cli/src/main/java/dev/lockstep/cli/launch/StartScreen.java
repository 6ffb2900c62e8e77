// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli.launch;

import dev.lockstep.checkpoint.GenerationDefaults;
import dev.lockstep.cli.console.Terminal;
import dev.lockstep.kernels.cuda.CudaDevice;
import dev.lockstep.model.KvCapacity;
import dev.lockstep.proto.v1.GroupStatus;
import dev.lockstep.proto.v1.RankInfo;
import dev.lockstep.text.ModelTemplate;
import dev.lockstep.worker.DeviceChoice;
import dev.lockstep.worker.MemoryPlan;
import java.time.Duration;
import java.util.List;
import java.util.stream.Collectors;

/// The screen that `serve` prints when it is ready.
public final class StartScreen {
    private StartScreen() {}

    static String text(
            Launcher.Ready ready,
            LauncherConfig config,
            Shape shape,
            TextCheck check,
            long parameters,
            Duration timeToReady) {
        DeviceChoice device = shape.device();
        MemoryPlan memory = shape.memory();
        GroupStatus group = ready.group();
        RankInfo first = group.getRanks(0);
        var text = new StringBuilder();
        row(text, "model", "%s, %s".formatted(group.getModel(), config.model().path()));
        row(text, "parameters", count(parameters));
        row(
                text,
                "types",
                "weights %s, compute %s, KV %s"
                        .formatted(
                                first.getWeightType(), first.getComputeType(), first.getKvType()));
        row(
                text,
                "device",
                "%s, %s (%s)"
                        .formatted(first.getDevice(), first.getInstructionSet(), device.reason()));
        row(text, "ranks", ranks(group, device, shape.plan()));
        for (RankInfo rank : group.getRanksList()) {
            row(
                    text,
                    "  rank " + rank.getRank(),
                    "%s; %s".formatted(share(rank, device), rank.getShard()));
            if (group.getRanksCount() > 1) {
                row(text, "", memory(List.of(rank)));
            }
        }
        row(
                text,
                "KV cache",
                memory.kv().kept()
                        ? cache(group, memory)
                        : "none: a prompt is one row of one step");
        row(
                text,
                "limits",
                "%,d tokens a sequence, %d sequences at once, %d tokens a step"
                        .formatted(
                                group.getMaxModelLen(),
                                group.getMaxNumSeqs(),
                                group.getMaxNumBatchedTokens()));
        for (String line : memory.lowered()) {
            row(text, "lowered", line);
        }
        row(text, "memory", memory(group.getRanksList()));
        if (!check.defaults().equals(GenerationDefaults.NONE)) {
            row(text, "sampling", check.defaults().describe() + ", where a request gives no value");
        }
        if (check.template() instanceof ModelTemplate.Broken(String fault)) {
            row(text, "no chats", fault + "; see --chat-template");
        }
        String url = "http://%s:%d".formatted(host(ready.host()), ready.port());
        row(text, "OpenAI API", url + "/v1");
        row(text, "gRPC", "%s:%d".formatted(host(ready.host()), ready.port()));
        row(text, "logs", config.logFolder().toString());
        row(text, "ready after", "%.1f s".formatted(timeToReady.toMillis() / 1000.0));
        return text.toString();
    }

    private static String cache(GroupStatus group, MemoryPlan memory) {
        return "%,d blocks of %d tokens: %,d tokens of %s"
                .formatted(
                        group.getBlocksTotal(),
                        group.getBlockSize(),
                        group.getBlocksTotal() * group.getBlockSize(),
                        tokenBytes(memory.kv()));
    }

    /// Formats the bytes of a token, such as `46,080 B`, with the part of each KV group if there
    /// are several.
    public static String tokenBytes(KvCapacity kv) {
        String all = "%,d B".formatted(kv.bytesPerToken());
        return kv.groups().size() == 1
                ? all
                : kv.groups().stream()
                        .map(
                                group ->
                                        "%,d B in %s"
                                                .formatted(
                                                        kv.bytesPerToken(group),
                                                        group.window() == 0
                                                                ? "full layers"
                                                                : "windows of " + group.window()))
                        .collect(Collectors.joining(", ", all + " (", ")"));
    }

    private static String memory(List<RankInfo> ranks) {
        long weights = 0;
        long kv = 0;
        long activations = 0;
        for (RankInfo rank : ranks) {
            weights += rank.getWeightBytes();
            kv += rank.getKvBytes();
            activations += rank.getActivationBytes();
        }
        return "weights %s + KV %s + activations %s = %s"
                .formatted(
                        Terminal.bytes(weights),
                        Terminal.bytes(kv),
                        Terminal.bytes(activations),
                        Terminal.bytes(weights + kv + activations));
    }

    private static void row(StringBuilder text, String key, String value) {
        text.append("  %-12s %s%n".formatted(key, value));
    }

    private static String ranks(GroupStatus group, DeviceChoice device, HostPlan plan) {
        return switch (device) {
            case DeviceChoice.Gpus _ -> "%d, a GPU each".formatted(group.getRanksCount());
            case DeviceChoice.Cpu _ ->
                    "%d, %d of %d cores%s"
                            .formatted(
                                    group.getRanksCount(),
                                    group.getRanksList().stream()
                                            .mapToInt(RankInfo::getThreads)
                                            .sum(),
                                    plan.cores(),
                                    plan.oversubscribed()
                                            ? " (more threads than cores: no thread spins)"
                                            : "");
        };
    }

    /// Returns what a rank computes on.
    private static String share(RankInfo rank, DeviceChoice device) {
        return switch (device) {
            case DeviceChoice.Gpus gpus -> {
                CudaDevice gpu = gpus.gpus().get(rank.getRank());
                yield "GPU %d, %s".formatted(gpu.ordinal(), gpu.uuid());
            }
            case DeviceChoice.Cpu _ ->
                    rank.getThreads() == 1 ? "1 thread" : rank.getThreads() + " threads";
        };
    }

    private static String count(long parameters) {
        return parameters >= 1_000_000_000L
                ? "%.2f billion".formatted(parameters / 1e9)
                : "%.1f million".formatted(parameters / 1e6);
    }

    private static String host(String bound) {
        if (bound.equals("0.0.0.0") || bound.equals("::")) {
            return "127.0.0.1";
        }
        return bound.contains(":") ? "[" + bound + "]" : bound;
    }
}
