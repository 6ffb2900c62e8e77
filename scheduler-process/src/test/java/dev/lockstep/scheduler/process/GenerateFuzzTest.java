// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.scheduler.process;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lockstep.cluster.Eventually;
import dev.lockstep.proto.MessageMutations;
import dev.lockstep.proto.v1.GenerateRequest;
import dev.lockstep.proto.v1.LogitBias;
import dev.lockstep.proto.v1.PromptOutputs;
import dev.lockstep.proto.v1.SamplingParams;
import io.grpc.Status;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;

/// Whatever a request or the result of a step contains, the scheduler serves on.
class GenerateFuzzTest {
    private static final int REQUESTS = 800;
    private static final int RESULTS = 60;

    /// The fake rank knows names of blocks without tenant and salt only.
    private static final Set<String> KEPT = Set.of("tenant", "cache_salt");

    private static GenerateRequest.Builder request(MessageMutations mutations, int number) {
        SamplingParams.Builder sampling =
                SamplingParams.newBuilder()
                        .setTopP(1)
                        .setSeed(number)
                        .addLogitBias(LogitBias.newBuilder().setTokenId(3).setBias(1));
        mutations.mutate(sampling);
        return Rig.request("fuzz" + number, 9, number, 4)
                .setChoices(2)
                .addStopTokenIds(7)
                .setOutputs(PromptOutputs.newBuilder().setLogprobs(true))
                .setSampling(sampling.build().toByteString());
    }

    @Test
    void aRequestOfAnyContentIsServedOrRefusedAlone() throws Exception {
        var mutations = new MessageMutations(12, KEPT);
        Map<Status.Code, Integer> ends = new EnumMap<>(Status.Code.class);
        try (var rig = new Rig()) {
            rig.startRank(0, 1);
            long epoch = rig.awaitReady().getEpoch();
            GenerateRequest good = Rig.request("good", 9, 5, 20).build();
            for (int i = 0; i < REQUESTS; i++) {
                GenerateRequest.Builder request = request(mutations, i);
                List<String> changes = mutations.mutate(request);
                Status end = end(rig.generate(request.build()));
                switch (end.getCode()) {
                    case OK, INVALID_ARGUMENT, RESOURCE_EXHAUSTED, DEADLINE_EXCEEDED ->
                            ends.merge(end.getCode(), 1, Integer::sum);
                    default -> throw new AssertionError(changes + " ended with " + end);
                }
            }
            assertEquals(Rig.expected(good, 0), rig.generate(good).await().ids.get(0));
            rig.assertQuiet();
            assertEquals(epoch, rig.awaitReady().getEpoch(), "no request ended the group");
        }
        for (Status.Code code : List.of(Status.Code.OK, Status.Code.INVALID_ARGUMENT)) {
            assertTrue(ends.getOrDefault(code, 0) > REQUESTS / 10, () -> "ends: " + ends);
        }
    }

    private static Status end(TestCall call) throws Exception {
        try {
            call.done.get(Eventually.TIMEOUT.toSeconds(), TimeUnit.SECONDS);
            return Status.OK;
        } catch (ExecutionException e) {
            return Status.fromThrowable(e.getCause());
        }
    }

    /// A rank that answers nonsense may lose its group, not the process.
    @Test
    void aResultOfAnyContentLosesItsGroupAtMost() throws Exception {
        var mutations = new MessageMutations(13, Set.of());
        try (var rig = new Rig()) {
            FakeRank rank = rig.startRank(0, 1);
            for (int i = 0; i < RESULTS; i++) {
                rig.awaitReady();
                rank.distortNext(mutations::mutate);
                Status end = end(rig.generate(request(mutations, i).build()));
                switch (end.getCode()) {
                    case OK, INVALID_ARGUMENT, ABORTED, UNAVAILABLE -> {}
                    default -> throw new AssertionError("request " + i + " ended with " + end);
                }
            }
            GenerateRequest good = Rig.request("good", 9, 5, 20).build();
            rank.distortNext(_ -> {});
            // The last result may lose the group after its request has ended.
            Eventually.await("the group serves", () -> end(rig.generate(good)).isOk());
            assertEquals(Rig.expected(good, 0), rig.generate(good).await().ids.get(0));
            rig.assertQuiet();
        }
    }
}
