// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.it;

import static java.nio.charset.StandardCharsets.US_ASCII;

import dev.lockstep.kernels.cuda.EmulatedCuda;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Stream;

/// Clusters whose ranks have an emulated GPU and a process each, and what tests of them ask.
final class CudaClusters {
    private static final List<String> DEFAULTS =
            List.of(
                    "--dtype=f32",
                    "--kv-dtype=f32",
                    "--kv-memory=8M",
                    "--max-num-seqs=8",
                    "--max-num-batched-tokens=64");

    /// The bytes of a function's name, padded with zeros, and of its count.
    private static final int COUNT_BYTES = 64;

    private CudaClusters() {}

    /// @param more flags of `serve`, also instead of those that each of these clusters has
    static ServedCluster start(Sandbox sandbox, Path model, int ranks, String... more)
            throws Exception {
        return startBy(List.of(), sandbox, model, ranks, more);
    }

    /// @param by the command that starts `serve`
    static ServedCluster startBy(
            List<String> by, Sandbox sandbox, Path model, int ranks, String... more)
            throws Exception {
        return ServedCluster.startBy(by, sandbox, model, flags(ranks, more));
    }

    /// Returns the flags of `serve` that begin with `more`.
    static String[] flags(int ranks, String... more) {
        List<String> flags = new ArrayList<>(List.of(more));
        flags.add("--device=cuda");
        flags.add("--cuda-libraries=" + EmulatedCuda.folder());
        flags.add("--tensor-parallel=" + ranks);
        for (String each : DEFAULTS) {
            String key = each.substring(0, each.indexOf('=') + 1);
            if (Stream.of(more).noneMatch(flag -> flag.startsWith(key))) {
                flags.add(each);
            }
        }
        return flags.toArray(String[]::new);
    }

    /// Returns how often a process has called a function of the driver, if `CUDA_EMULATION_CALLS`
    /// is the sandbox's folder.
    static long calls(ServedCluster cluster, long pid, String function) throws IOException {
        Long calls = calls(cluster, "cuda", pid).get(function);
        if (calls == null) {
            throw new AssertionError("process %d has not called %s".formatted(pid, function));
        }
        return calls;
    }

    /// Returns how often it has called each function of a library, such as `cuda` or `nccl`.
    static Map<String, Long> calls(ServedCluster cluster, String library, long pid)
            throws IOException {
        Path file = cluster.sandbox().folder().resolve(library + "." + pid);
        byte[] counts = Files.readAllBytes(file);
        Map<String, Long> calls = new TreeMap<>();
        for (int at = 0; at < counts.length && counts[at] != 0; at += COUNT_BYTES) {
            String name = new String(counts, at, COUNT_BYTES - Long.BYTES, US_ASCII);
            calls.put(
                    name.substring(0, name.indexOf(0)),
                    ByteBuffer.wrap(counts)
                            .order(ByteOrder.LITTLE_ENDIAN)
                            .getLong(at + COUNT_BYTES - Long.BYTES));
        }
        return calls;
    }

    static void awaitEpochAfter(long epoch, ServedCluster cluster) throws Exception {
        BoundedWait.await(
                "a later epoch serves",
                () ->
                        cluster.api().isReady()
                                && cluster.admin()
                                        .group(cluster.sandbox().group())
                                        .filter(
                                                group ->
                                                        group.getReady()
                                                                && group.getEpoch() > epoch)
                                        .isPresent());
    }
}
