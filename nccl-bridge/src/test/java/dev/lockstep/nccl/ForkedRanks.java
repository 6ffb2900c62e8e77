// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.nccl;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.function.IntFunction;

/// The ranks of a group in separate processes, which all end when the test closes this.
final class ForkedRanks implements AutoCloseable {
    /// More rounds than any test waits for.
    static final int ENDLESS = Integer.MAX_VALUE;

    private final List<RankProcess> ranks = new ArrayList<>();

    /// Forks every rank; each sums `rounds` times.
    ForkedRanks(
            Class<? extends RankOpening> opening,
            List<String> jvmOptions,
            IntFunction<Map<String, String>> environments,
            Path folder,
            int size,
            int rounds)
            throws IOException {
        for (int rank = 0; rank < size; rank++) {
            ranks.add(
                    RankProcess.fork(
                            opening,
                            jvmOptions,
                            environments.apply(rank),
                            folder,
                            rank,
                            size,
                            rounds));
        }
    }

    RankProcess rank(int rank) {
        return ranks.get(rank);
    }

    /// Returns every rank but one.
    List<RankProcess> others(int rank) {
        List<RankProcess> others = new ArrayList<>(ranks);
        others.remove(rank);
        return others;
    }

    /// Returns the line of every rank that begins with `start`, in order of rank.
    List<String> awaitLines(String start) throws InterruptedException {
        List<String> lines = new ArrayList<>();
        for (RankProcess rank : ranks) {
            lines.add(rank.awaitLine(start));
        }
        return lines;
    }

    void awaitRunning() throws InterruptedException {
        List<String> lines = awaitLines("running");
        if (lines.size() != ranks.size()) {
            throw new AssertionError(lines);
        }
    }

    void signalAll(String signal) throws IOException, InterruptedException {
        for (RankProcess rank : ranks) {
            rank.signal(signal);
        }
    }

    @Override
    public void close() {
        ranks.forEach(RankProcess::close);
    }
}
