// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.nccl;

import static java.util.stream.Collectors.toCollection;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lockstep.kernels.DType;
import dev.lockstep.kernels.cuda.CalledSymbols;
import dev.lockstep.kernels.cuda.Cuda;
import dev.lockstep.kernels.cuda.CudaStream;
import dev.lockstep.kernels.cuda.EmulatedCuda;
import dev.lockstep.kernels.cuda.PinnedMemory;
import java.io.IOException;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/// The binding of NCCL and the emulated library, mostly with a process for each rank.
@Tag("processes")
final class NcclTest {
    private static final String VERSION = "CUDA_EMULATION_NCCL";
    private static final String ENABLE = "NCCL_MULTI_RANK_GPU_ENABLE";

    @BeforeAll
    static void load() {
        EmulatedCuda.open();
    }

    @Test
    void twoRanksExchange() throws IOException, InterruptedException {
        List<List<String>> ranks = run("collectives", 2);
        assertEquals(
                List.of(
                        "version 22703",
                        "sum [2.0, 2.0]",
                        "broadcast [2.0, 2.0]",
                        "gathered [11.0, 11.0, 0.0]",
                        "graph [8.0, 8.0]",
                        "done"),
                ranks.get(0));
        assertEquals(
                List.of(
                        "version 22703",
                        "sum [2.0, 2.0]",
                        "broadcast [2.0, 2.0]",
                        "graph [8.0, 8.0]",
                        "done"),
                ranks.get(1));
    }

    @Test
    void threeRanksExchangeUnevenParts() throws IOException, InterruptedException {
        List<List<String>> ranks = run("collectives", 3);
        assertEquals(
                List.of(
                        "version 22703",
                        "sum [4.5, 4.5]",
                        "broadcast [3.0, 3.0]",
                        "gathered [11.0, 11.0, 0.0, 12.0, 12.0, 0.0]",
                        "graph [27.0, 27.0]",
                        "done"),
                ranks.get(0));
        assertEquals(ranks.get(1), ranks.get(2));
    }

    @Test
    void anAbortEndsASumThatOthersNeverCall() throws IOException, InterruptedException {
        List<List<String>> ranks = run("abort", 2);
        assertEquals(List.of("idle false", "ended 50000"), ranks.get(0));
    }

    @Test
    void twoRanksOnOneDeviceAreRefused() throws Exception {
        for (List<String> rank : inThreads("shared")) {
            assertTrue(
                    rank.getLast().contains("(5), Duplicate GPU detected: rank "), rank.toString());
        }
        // An older version does not know the variable.
        for (List<String> rank : shareDevice(Map.of(ENABLE, "1"), Map.of(ENABLE, "1"))) {
            assertTrue(
                    rank.getLast().contains("(5), Duplicate GPU detected: rank "), rank.toString());
        }
        Map<String, String> newer = Map.of(VERSION, "23007");
        for (List<String> rank : shareDevice(newer, newer)) {
            assertTrue(
                    rank.getLast().contains("(5), Multiple Ranks are using the same GPU"),
                    rank.toString());
        }
    }

    @Test
    void twoRanksShareADeviceWhereNcclAllowsItOrSeesTwoHosts() throws Exception {
        Map<String, String> newer = Map.of(VERSION, "23007", ENABLE, "1");
        for (List<String> rank : shareDevice(newer, newer)) {
            assertEquals("version 23007", rank.getFirst());
            assertEquals("done", rank.getLast());
        }
        for (List<String> rank :
                shareDevice(Map.of("NCCL_HOSTID", "one"), Map.of("NCCL_HOSTID", "other"))) {
            assertEquals("version 22703", rank.getFirst());
            assertEquals("done", rank.getLast());
        }
    }

    @Test
    void aCollectiveBeforeTheFirstIsDoneIsRefused() throws Exception {
        for (List<String> rank : inThreads("impatient")) {
            assertEquals("done false", rank.getFirst());
            assertTrue(rank.getLast().contains("another call is in progress"), rank.toString());
        }
    }

    @Test
    void ranksThatCallDifferentCollectivesHearOfItLater() throws Exception {
        for (List<String> rank : inThreads("mismatch")) {
            assertTrue(
                    rank.getLast().contains("do not call the same collectives in the same order"),
                    rank.toString());
        }
    }

    @Test
    void theBindingCallsTheFunctionsOfTheListAndIsTheOnlyOne() throws IOException {
        Set<String> listed =
                CalledSymbols.allowed().stream()
                        .map(CalledSymbols.Symbol::name)
                        .filter(name -> name.startsWith("nccl"))
                        .collect(toCollection(TreeSet::new));
        assertEquals(listed, CalledSymbols.ofBytedeco(Nccl.class, Set.of("Nccl")));
    }

    @Test
    void ranksMayBeThreadsOfOneProcess() throws Exception {
        byte[] id = Nccl.uniqueId();
        try (ExecutorService threads = Executors.newFixedThreadPool(2)) {
            var sums = new ArrayList<Future<Float>>();
            for (int rank = 0; rank < 2; rank++) {
                int own = rank;
                sums.add(threads.submit(() -> sum(id, own)));
            }
            for (Future<Float> sum : sums) {
                assertEquals(5, sum.get());
            }
        }
    }

    /// Adds 2 of rank 0 and 3 of rank 1.
    private static float sum(byte[] id, int rank) throws InterruptedException {
        Cuda cuda = EmulatedCuda.open(rank);
        CudaStream stream = cuda.stream(0);
        PinnedMemory memory = cuda.pin(4);
        memory.host().set(ValueLayout.JAVA_FLOAT, 0, 2 + rank);
        Nccl nccl = Nccl.begin(cuda, id, 2, rank);
        await(nccl);
        if (!nccl.allReduceSum(memory.device(), memory.device(), 1, DType.F32, stream)) {
            await(nccl);
        }
        cuda.synchronize(stream);
        nccl.finish();
        await(nccl);
        nccl.destroy();
        float sum = memory.host().get(ValueLayout.JAVA_FLOAT, 0);
        cuda.free(memory);
        cuda.destroy(stream);
        cuda.close();
        return sum;
    }

    private static void await(Nccl nccl) throws InterruptedException {
        while (!nccl.isReady()) {
            Thread.sleep(1);
        }
    }

    /// Runs two ranks as threads of this process, a device each.
    private static List<List<String>> inThreads(String scenario) throws Exception {
        byte[] id = Nccl.uniqueId();
        try (ExecutorService threads = Executors.newFixedThreadPool(2)) {
            var ranks = new ArrayList<Future<List<String>>>();
            for (int rank = 0; rank < 2; rank++) {
                int own = rank;
                ranks.add(
                        threads.submit(
                                () -> {
                                    var lines = new ArrayList<String>();
                                    NcclProcess.run(scenario, id, 2, own, lines::add);
                                    return lines;
                                }));
            }
            return List.of(ranks.get(0).get(), ranks.get(1).get());
        }
    }

    private static List<List<String>> run(String scenario, int ranks)
            throws IOException, InterruptedException {
        return run(scenario, Collections.nCopies(ranks, Map.of()));
    }

    /// Runs two ranks on the first device, in processes with these variables.
    private static List<List<String>> shareDevice(
            Map<String, String> first, Map<String, String> second)
            throws IOException, InterruptedException {
        return run("shared", List.of(first, second));
    }

    private static List<List<String>> run(String scenario, List<Map<String, String>> environments)
            throws IOException, InterruptedException {
        byte[] id = Nccl.uniqueId();
        int ranks = environments.size();
        var processes = new ArrayList<NcclProcess>();
        try {
            for (int rank = 0; rank < ranks; rank++) {
                processes.add(NcclProcess.fork(scenario, id, ranks, rank, environments.get(rank)));
            }
            var outputs = new ArrayList<List<String>>();
            for (NcclProcess process : processes) {
                outputs.add(process.await());
            }
            return outputs;
        } finally {
            processes.forEach(NcclProcess::close);
        }
    }
}
