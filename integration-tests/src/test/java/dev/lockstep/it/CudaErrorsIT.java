// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.it;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.lockstep.cluster.process.ExitCode;
import dev.lockstep.proto.v1.GroupStatus;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIfSystemProperty;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/// Errors of single calls of CUDA's libraries in the processes of `serve`: whatever fails, the
/// start ends with one line and its exit code, or the cluster serves again; nothing hangs.
@ExtendWith(LogsOnFailure.class)
final class CudaErrorsIT {
    private static final int INVALID = 1;
    private static final int ILLEGAL_ADDRESS = 700;

    /// The more requests, the more calls; a fault lies below the calls of this many.
    private static final int REQUESTS = 200;

    /// Polls, whose number differs from run to run.
    private static final Set<String> POLLS =
            Set.of("cuEventQuery", "cuStreamQuery", "ncclCommGetAsyncError");

    @ParameterizedTest
    @CsvSource({
        "cuInit, 1, 999",
        "cuLibraryGetKernel, 5, 500",
        "cublasLtCreate, 1, 1",
        "cuMemAlloc_v2, 5, 700"
    })
    void anErrorOfACallOfAStartEndsItWithOneLineThatNamesIt(String function, int number, int code)
            throws Exception {
        Sandbox sandbox = Sandbox.quick();
        try (sandbox) {
            LockstepProcess serve = serve(sandbox, 1, fault(function, number, code));
            assertEquals(ExitCode.UNUSABLE, serve.awaitExit(), serve::errors);
            assertEquals(1, lines(serve).size(), serve::errors);
            String line = lines(serve).getFirst();
            assertTrue(line.contains(function.replaceFirst("_v\\d$", "")), line);
            assertTrue(line.contains(Integer.toString(code)), line);
        }
    }

    /// The device survives the first error, and not the second one.
    @Test
    void anErrorOfACallOfAStepOrALostDeviceOnlyDelaysItsRequests() throws Exception {
        Sandbox sandbox = Sandbox.quick();
        try (ServedCluster cluster =
                CudaClusters.startBy(
                        List.of(
                                "env",
                                fault("cuLaunchKernel", 3000, INVALID)
                                        + ",cuLaunchKernel:6000:"
                                        + ILLEGAL_ADDRESS),
                        sandbox,
                        Models.tiny(sandbox, 4),
                        1,
                        "--disable-cuda-graph")) {
            GroupStatus first = cluster.group();
            Generated before = Generated.of(post(cluster).ok());
            awaitMigration(before, cluster);
            CudaClusters.awaitEpochAfter(first.getEpoch(), cluster);
            GroupStatus second = cluster.group();
            assertEquals(first.getRanks(0).getPid(), second.getRanks(0).getPid());
            assertEquals(before, Generated.of(post(cluster).ok()));
            awaitMigration(before, cluster);
            CudaClusters.awaitEpochAfter(second.getEpoch(), cluster);
            String errors = cluster.launcher().errors();
            assertTrue(
                    errors.contains("worker-0 ended with exit code 86 and is restarted"), errors);
            assertEquals(before, Generated.of(post(cluster).ok()));
        }
    }

    private static Api.Response post(ServedCluster cluster) {
        ObjectNode body = CompletionBodies.greedy(List.of(5, 6, 7), 4);
        return cluster.api().post(CompletionBodies.COMPLETIONS, body);
    }

    /// Sends requests until the epoch of one has failed while it ran: it went on in the next one.
    private static void awaitMigration(Generated expected, ServedCluster cluster) {
        for (int i = 0; i < REQUESTS; i++) {
            JsonNode answer = post(cluster).ok();
            assertEquals(expected, Generated.of(answer));
            if (answer.at("/usage/lockstep/migrations").asInt() > 0) {
                return;
            }
        }
        throw new AssertionError("no request has gone on in another epoch");
    }

    /// The first and the last call that a start of two ranks makes of each function.
    @Test
    @EnabledIfSystemProperty(
            named = "lockstep.long",
            matches = "true",
            disabledReason = "starts a hundred clusters")
    void anErrorOfAnyFunctionEndsAStartOrIsMended() throws Exception {
        Sandbox clean = Sandbox.quick();
        Map<String, Long> counts = new TreeMap<>();
        try (ServedCluster cluster =
                CudaClusters.startBy(
                        List.of("env", "CUDA_EMULATION_CALLS=" + clean.folder()),
                        clean,
                        Models.tiny(clean, 1),
                        2)) {
            for (String library : List.of("cuda", "cublasLt", "nccl")) {
                counts.putAll(
                        CudaClusters.calls(cluster, library, cluster.group().getRanks(1).getPid()));
            }
        }
        assertTrue(counts.size() > 20, counts::toString);
        List<String> wrong = new ArrayList<>();
        for (Map.Entry<String, Long> each : counts.entrySet()) {
            String function = each.getKey();
            if (!POLLS.contains(function)) {
                addWrongEnding(function, 1, INVALID, wrong);
                addWrongEnding(function, each.getValue(), ILLEGAL_ADDRESS, wrong);
            }
        }
        assertEquals(List.of(), wrong);
    }

    /// Starts two ranks in which a call fails; adds a line if the start neither ends with one line
    /// and its exit code nor serves.
    private static void addWrongEnding(String function, long number, int code, List<String> wrong)
            throws Exception {
        try (Sandbox sandbox = Sandbox.quick()) {
            LockstepProcess serve = serve(sandbox, 2, fault(function, number, code));
            BoundedWait.await(
                    "the start has ended or serves: " + fault(function, number, code),
                    () -> !serve.isAlive() || serve.output().contains("OpenAI API"));
            if (serve.isAlive()) {
                serve.terminate();
                return;
            }
            int exit = serve.awaitExit();
            if (exit != ExitCode.UNUSABLE || lines(serve).size() != 1) {
                wrong.add(
                        "%s: %d, %s"
                                .formatted(fault(function, number, code), exit, serve.errors()));
            }
        }
    }

    private static LockstepProcess serve(Sandbox sandbox, int ranks, String variable)
            throws Exception {
        return sandbox.start(
                "serve",
                "serve",
                ServedCluster.flags(sandbox, Models.tiny(sandbox, 1), CudaClusters.flags(ranks)),
                List.of("env", variable));
    }

    private static String fault(String function, long number, int code) {
        return "CUDA_EMULATION_FAULTS=%s:%d:%d".formatted(function, number, code);
    }

    private static List<String> lines(LockstepProcess serve) {
        return serve.errors().lines().filter(each -> each.startsWith("lockstep serve: ")).toList();
    }
}
