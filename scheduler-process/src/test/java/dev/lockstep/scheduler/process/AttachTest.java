// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.scheduler.process;

import static java.util.Objects.requireNonNull;
import static org.junit.jupiter.api.Assertions.assertEquals;

import com.google.protobuf.ByteString;
import dev.lockstep.cluster.Eventually;
import dev.lockstep.proto.v1.AttachRequest;
import dev.lockstep.proto.v1.AttachSearchRequest;
import dev.lockstep.proto.v1.AttachSearchResponse;
import dev.lockstep.proto.v1.ClientRecord;
import dev.lockstep.proto.v1.CommittedChoice;
import dev.lockstep.proto.v1.GenerateEvent;
import dev.lockstep.proto.v1.GenerateRequest;
import dev.lockstep.proto.v1.Token;
import dev.lockstep.scheduler.Payload;
import dev.lockstep.scheduler.SampledToken;
import dev.lockstep.scheduler.WaitingLimits;
import io.grpc.Context;
import io.grpc.Status;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;

/// Readers that go on with the requests of others.
class AttachTest {
    private static GenerateRequest.Builder kept(String id, int maxTokens) {
        return Rig.request(id, 5, 3, maxTokens)
                .clearStopTokenIds()
                .setChoices(2)
                .setClient(
                        ClientRecord.newBuilder()
                                .setOwner("o")
                                .setResponseId(id)
                                .setRecord(ByteString.copyFromUtf8("unread")));
    }

    private static TestCall attach(Rig rig, String id, String owner) {
        return attach(rig, id, owner, 1);
    }

    private static TestCall attach(Rig rig, String id, String owner, int number) {
        var call = new TestCall();
        AttachRequest request =
                AttachRequest.newBuilder()
                        .setRequestId(id)
                        .setOwner(owner)
                        .setReader(number)
                        .build();
        rig.stub().attach(request, call);
        return call;
    }

    private static GenerateRequest ofReader(GenerateRequest request, int number) {
        GenerateRequest.Builder again = request.toBuilder();
        again.getClientBuilder().setReader(number);
        return again.build();
    }

    private static void answerUntilTokens(FakeRank rank, TestCall call)
            throws InterruptedException {
        Eventually.await(
                "tokens",
                () -> {
                    if (rank.heldSteps() > 0) {
                        rank.answer();
                    }
                    return call.received() > 4;
                });
    }

    private static void assertWhole(GenerateRequest request, TestCall call) throws Exception {
        call.await();
        for (int choice = 0; choice < request.getChoices(); choice++) {
            assertEquals(Rig.expected(request, choice), call.ids.get(choice));
        }
        assertEquals(request.getChoices(), call.ends.size());
    }

    @Test
    void aReaderGetsARunningRequestFromTheFirstTokenAndDisplacesTheOneBefore() throws Exception {
        try (var rig = new Rig()) {
            FakeRank rank = rig.startRank(0, 1);
            rig.awaitReady();
            GenerateRequest request = kept("a", 40).build();
            rank.hold();
            TestCall first = rig.generate(request);
            answerUntilTokens(rank, first);
            TestCall second = attach(rig, "a", "o");
            first.assertFails(Status.Code.ALREADY_EXISTS, "another call");
            rank.release();
            assertWhole(request, second);
            assertWhole(request, attach(rig, "a", "o"));
            attach(rig, "a", "p").assertFails(Status.Code.NOT_FOUND, "a is not kept");
            attach(rig, "b", "o").assertFails(Status.Code.NOT_FOUND, "b is not kept");
            rig.assertQuiet();
        }
    }

    @Test
    void aRequestThatWasCancelledHasItsTokensAndThenNoScheduler() throws Exception {
        try (var rig = new Rig()) {
            rig.startRank(0, 1);
            rig.awaitReady();
            GenerateRequest request = kept("a", 100_000).setMaxTokens(100).build();
            rig.ranks.getFirst().hold();
            var call = new TestCall();
            Context.CancellableContext context = Context.current().withCancellation();
            context.run(() -> rig.stub().generate(request, call));
            answerUntilTokens(rig.ranks.getFirst(), call);
            context.cancel(null);
            rig.ranks.getFirst().release();
            rig.assertQuiet();
            TestCall later = attach(rig, "a", "o");
            later.assertFails(Status.Code.UNAVAILABLE, "was cancelled");
            List<Integer> all = Rig.expected(request, 0);
            List<Integer> got = requireNonNull(later.ids.get(0));
            assertEquals(all.subList(0, got.size()), got);
        }
    }

    @Test
    void aRequestWhoseConnectionBrokeGoesOnAndEndsAfterTheWindow() throws Exception {
        try (var rig =
                new Rig(Rig.cluster(), 1, new WaitingLimits(100, 1000), Duration.ofMillis(1))) {
            FakeRank rank = rig.startRank(0, 1);
            rig.awaitReady();
            rank.hold();
            var out = new FakeReader();
            RequestReader reader = submit(rig, out, kept("a", 100).build());
            Eventually.await("two steps are held", () -> rank.heldSteps() > 0);
            rig.loop.inbox().left(reader, true);
            Eventually.await("the end of the window", () -> !isKept(rig, "a"));
            rank.release();
            rig.assertQuiet();
            assertEquals(0, out.events.stream().filter(GenerateEvent::hasTokens).count());
        }
    }

    @Test
    void aReaderAfterABrokenConnectionMissesNothing() throws Exception {
        try (var rig = new Rig()) {
            FakeRank rank = rig.startRank(0, 1);
            rig.awaitReady();
            rank.hold();
            GenerateRequest request = kept("a", 40).build();
            RequestReader reader = submit(rig, new FakeReader(), request);
            Eventually.await("two steps are held", () -> rank.heldSteps() > 0);
            rig.loop.inbox().left(reader, true);
            rank.release();
            assertWhole(request, attach(rig, "a", "o"));
            rig.assertQuiet();
        }
    }

    private static boolean isKept(Rig rig, String responseId) throws Exception {
        return search(rig, responseId).getRequestsCount() > 0;
    }

    private static AttachSearchResponse search(Rig rig, String responseId) throws Exception {
        AttachSearchRequest question =
                AttachSearchRequest.newBuilder().setOwner("o").setResponseId(responseId).build();
        return search(rig, question);
    }

    private static AttachSearchResponse search(Rig rig, AttachSearchRequest question)
            throws Exception {
        return rig.loop.inbox().search(question).get(1, TimeUnit.MINUTES);
    }

    private static RequestReader submit(Rig rig, FakeReader out, GenerateRequest request)
            throws InterruptedException {
        var stream =
                new RequestStream(
                        dev.lockstep.scheduler.process.GenerateRequest.fromProto(request), out);
        var reader = new RequestReader(out);
        reader.read(stream);
        Eventually.await("accepted", () -> rig.loop.inbox().trySubmit(stream));
        return reader;
    }

    @Test
    void aForgottenRequestEndsAndIsNotFound() throws Exception {
        try (var rig = new Rig()) {
            FakeRank rank = rig.startRank(0, 1);
            rig.awaitReady();
            rank.hold();
            TestCall call = rig.generate(kept("a", 40).build());
            answerUntilTokens(rank, call);
            AttachSearchRequest.Builder question =
                    AttachSearchRequest.newBuilder().setOwner("p").setResponseId("a");
            question.setForget(true);
            assertEquals(0, search(rig, question.build()).getRequestsCount());
            assertEquals(1, search(rig, "a").getRequestsCount());
            assertEquals(1, search(rig, question.setOwner("o").build()).getRequestsCount());
            call.assertFails(Status.Code.ALREADY_EXISTS, "forgotten");
            assertEquals(0, search(rig, "a").getRequestsCount());
            rank.release();
            rig.assertQuiet();
        }
    }

    @Test
    void aRequestThatIsSentAgainReplacesTheKeptOne() throws Exception {
        try (var rig = new Rig()) {
            rig.startRank(0, 1);
            rig.awaitReady();
            GenerateRequest request = kept("a", 20).build();
            assertWhole(request, rig.generate(request));
            assertWhole(request, rig.generate(request));
            assertWhole(request, attach(rig, "a", "o"));
            rig.assertQuiet();
        }
    }

    /// A coordinator that was cut off does not know that its client has gone to another one.
    @Test
    void anEarlierReaderDoesNotDisplaceALaterOne() throws Exception {
        try (var rig = new Rig()) {
            FakeRank rank = rig.startRank(0, 1);
            rig.awaitReady();
            GenerateRequest request = kept("a", 40).build();
            rank.hold();
            TestCall first = rig.generate(request);
            answerUntilTokens(rank, first);
            TestCall later = attach(rig, "a", "o", 2);
            first.assertFails(Status.Code.ALREADY_EXISTS, "another call");
            GenerateRequest moved =
                    request.toBuilder()
                            .addCommitted(CommittedChoice.newBuilder().setChoice(0))
                            .addCommitted(CommittedChoice.newBuilder().setChoice(1))
                            .build();
            rig.generate(moved).assertFails(Status.Code.ALREADY_EXISTS, "a later reader");
            attach(rig, "a", "o", 1).assertFails(Status.Code.ALREADY_EXISTS, "a later reader");
            rank.release();
            assertWhole(request, later);
            rig.generate(ofReader(moved, 1))
                    .assertFails(Status.Code.ALREADY_EXISTS, "a later reader");
            assertWhole(request, rig.generate(ofReader(moved, 3)));
            attach(rig, "a", "o", 2).assertFails(Status.Code.ALREADY_EXISTS, "a later reader");
            assertWhole(request, attach(rig, "a", "o", 3));
            rig.assertQuiet();
        }
    }

    @Test
    void aSearchSaysWhichReaderARequestHas() throws Exception {
        try (var rig = new Rig()) {
            rig.startRank(0, 1);
            rig.awaitReady();
            GenerateRequest request = kept("a", 20).build();
            assertWhole(request, rig.generate(request));
            assertEquals(0, reader(rig, "a"));
            assertWhole(request, attach(rig, "a", "o", 4));
            assertEquals(4, reader(rig, "a"));
        }
    }

    private static int reader(Rig rig, String responseId) throws Exception {
        return search(rig, responseId).getRequests(0).getClient().getReader();
    }

    @Test
    void aMovedRequestCountsItsMovesFromThoseBeforeOn() throws Exception {
        var reader = new FakeReader();
        reader.ready = true;
        GenerateRequest request =
                kept("a", 10)
                        .addCommitted(CommittedChoice.newBuilder().setChoice(1).addIds(7))
                        .setMigrations(2)
                        .build();
        var stream =
                new RequestStream(
                        dev.lockstep.scheduler.process.GenerateRequest.fromProto(request), reader);
        stream.keep();
        stream.generated(1, 1, SampledToken.of(8));
        stream.drain();
        assertEquals(2, reader.events.getLast().getTokens().getMigrations());
        stream.migrated(1, 1);
        stream.generated(1, 2, SampledToken.of(9));
        stream.drain();
        assertEquals(3, reader.events.getLast().getTokens().getMigrations());
        var later = new FakeReader();
        later.ready = true;
        stream.attach(later);
        assertEquals(3, later.events.getLast().getTokens().getMigrations());
    }

    @Test
    void aSlowReaderGetsEventsOfAtMost1024TokensWithTheirLogprobs() {
        var reader = new FakeReader();
        var stream =
                new RequestStream(
                        dev.lockstep.scheduler.process.GenerateRequest.fromProto(
                                kept("a", 5000).setChoices(1).build()),
                        reader);
        stream.keep();
        stream.abandon();
        for (int i = 0; i < 3000; i++) {
            Payload logprobs = Payload.of(Token.newBuilder().setId(i).build().toByteArray());
            stream.generated(0, i, new SampledToken(i, Optional.of(logprobs)));
        }
        stream.attach(reader);
        assertEquals(1, reader.events.size());
        stream.generated(0, 3000, SampledToken.of(7));
        reader.ready = true;
        stream.drain();
        var ids = new ArrayList<Integer>();
        for (GenerateEvent event : reader.events.subList(1, reader.events.size())) {
            GenerateEvent.Tokens tokens = event.getTokens();
            assertEquals(ids.size(), tokens.getPosition());
            ids.addAll(tokens.getIdsList());
            if (ids.size() <= 3000) {
                assertEquals(tokens.getIdsCount(), tokens.getLogprobsCount());
            }
        }
        assertEquals(3001, ids.size());
        assertEquals(5, reader.events.size());
    }
}
