package dev.lockstep.cli;

import dev.lockstep.proto.v1.GroupStatus;
import dev.lockstep.proto.v1.RankInfo;
import java.time.Duration;

/// What `serve` prints when it is ready: one screen.
final class StartScreen {
    private StartScreen() {}

    static String text(
            Launcher.Ready ready,
            LauncherConfig config,
            HostPlan plan,
            long parameters,
            Duration timeToReady) {
        GroupStatus group = ready.group();
        RankInfo first = group.getRanks(0);
        StringBuilder text = new StringBuilder();
        row(text, "model", "%s, %s".formatted(group.getModel(), config.model().path()));
        row(text, "parameters", count(parameters));
        row(
                text,
                "types",
                "weights %s, compute %s, KV %s"
                        .formatted(
                                first.getWeightType(), first.getComputeType(), first.getKvType()));
        row(text, "device", "%s, %s".formatted(first.getDevice(), first.getInstructionSet()));
        row(
                text,
                "ranks",
                "%d, %d of %d cores%s"
                        .formatted(
                                group.getRanksCount(),
                                group.getRanksList().stream().mapToInt(RankInfo::getThreads).sum(),
                                plan.cores(),
                                plan.oversubscribed()
                                        ? " (more threads than cores: nobody spins)"
                                        : ""));
        for (RankInfo rank : group.getRanksList()) {
            row(
                    text,
                    "  rank " + rank.getRank(),
                    "%s; %s".formatted(threads(rank.getThreads()), rank.getShard()));
        }
        row(
                text,
                "KV cache",
                "%,d blocks of %d tokens: %,d tokens"
                        .formatted(
                                group.getBlocksTotal(),
                                group.getBlockSize(),
                                group.getBlocksTotal() * group.getBlockSize()));
        row(
                text,
                "limits",
                "%,d tokens a sequence, %d sequences at once, %d tokens a step"
                        .formatted(
                                group.getMaxModelLen(),
                                group.getMaxNumSeqs(),
                                group.getMaxNumBatchedTokens()));
        row(text, "memory", memory(group));
        String url = "http://%s:%d".formatted(host(ready.host()), ready.port());
        row(text, "OpenAI API", url + "/v1");
        row(text, "gRPC", "%s:%d".formatted(host(ready.host()), ready.port()));
        row(text, "logs", config.runFolder().toString());
        row(text, "ready after", "%.1f s".formatted(timeToReady.toMillis() / 1000.0));
        return text.toString();
    }

    private static String memory(GroupStatus group) {
        long weights = 0;
        long kv = 0;
        long activations = 0;
        for (RankInfo rank : group.getRanksList()) {
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

    private static String threads(int count) {
        return count == 1 ? "1 thread" : count + " threads";
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
