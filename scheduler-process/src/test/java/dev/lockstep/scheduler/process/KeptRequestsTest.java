// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.scheduler.process;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.protobuf.ByteString;
import dev.lockstep.proto.v1.AttachSearchRequest;
import dev.lockstep.proto.v1.ClientRecord;
import dev.lockstep.proto.v1.CommittedChoice;
import dev.lockstep.proto.v1.FinishReason;
import dev.lockstep.proto.v1.KeptRequest;
import dev.lockstep.proto.v1.SamplingParams;
import dev.lockstep.scheduler.Payload;
import dev.lockstep.scheduler.SampledToken;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;

class KeptRequestsTest {
    private static final Duration WINDOW = Duration.ofSeconds(30);

    private final KeptRequests kept = new KeptRequests(WINDOW);

    private static RequestStream request(String id, String key, int bytes) {
        ClientRecord.Builder client =
                ClientRecord.newBuilder()
                        .setOwner("o")
                        .setResponseId("r-" + id)
                        .setKey(key)
                        .setRecord(ByteString.copyFrom(new byte[bytes]));
        return new RequestStream(
                GenerateRequest.fromProto(Rig.request(id, 3, 1, 4).setClient(client).build()),
                new FakeReader());
    }

    private static RequestStream request(String id) {
        return request(id, "", 10);
    }

    private static long nanos(int seconds) {
        return Duration.ofSeconds(seconds).toNanos();
    }

    private List<String> overdue(int seconds) {
        return kept.removeOverdue(nanos(seconds)).stream()
                .map(stream -> stream.request().id())
                .toList();
    }

    private boolean has(RequestStream stream) {
        return kept.find(stream.request().id(), "o").isPresent();
    }

    @Test
    void aRequestThatLostItsReaderRunsForTheWindow() {
        RequestStream stream = request("a");
        kept.add(stream, 0);
        assertEquals(List.of(), overdue(1000));
        kept.left(stream, nanos(1000));
        assertEquals(List.of(), overdue(1029));
        assertEquals(List.of("a"), overdue(1030));
        assertFalse(has(stream));
    }

    @Test
    void aSearchSaysWhetherARequestIsRead() {
        RequestStream stream = request("a");
        kept.add(stream, 0);
        assertTrue(isRead("r-a"));
        kept.left(stream, 0);
        assertFalse(isRead("r-a"));
        kept.tryAttach(stream, 1);
        assertTrue(isRead("r-a"));
        kept.ended(stream, 0);
        assertFalse(isRead("r-a"));
    }

    private boolean isRead(String response) {
        AttachSearchRequest question =
                AttachSearchRequest.newBuilder().setOwner("o").setResponseId(response).build();
        return kept.search(question, 0).getRequests(0).getRead();
    }

    @Test
    void aReaderThatComesBackEndsTheWindow() {
        RequestStream stream = request("a");
        kept.add(stream, 0);
        kept.left(stream, 0);
        kept.tryAttach(stream, 1);
        assertEquals(List.of(), overdue(1000));
        assertTrue(has(stream));
    }

    @Test
    void anEndedRequestIsFoundForTheWindowAndOneWithAKeyForTenMinutes() {
        RequestStream plain = request("plain");
        RequestStream keyed = request("keyed", "k", 10);
        RequestStream cancelled = request("cancelled", "c", 10);
        for (RequestStream each : List.of(plain, keyed, cancelled)) {
            kept.add(each, 0);
        }
        plain.finished(0, FinishReason.FINISH_REASON_LENGTH, -1);
        keyed.finished(0, FinishReason.FINISH_REASON_LENGTH, -1);
        for (RequestStream each : List.of(plain, keyed, cancelled)) {
            kept.ended(each, 0);
            kept.tryAttach(each, 1);
        }
        assertEquals(List.of(), overdue(29));
        assertTrue(has(plain) && has(cancelled));
        assertEquals(List.of(), overdue(30));
        assertFalse(has(plain));
        assertEquals(List.of(), overdue(599));
        assertTrue(has(keyed) && has(cancelled));
        assertEquals(List.of(), overdue(600));
        assertFalse(has(keyed) || has(cancelled));
    }

    @Test
    void withoutAWindowAndWithoutARecordNothingIsKept() {
        var none = new KeptRequests(Duration.ZERO);
        none.add(request("a"), 0);
        assertEquals(Optional.empty(), none.find("a"));
        kept.add(
                new RequestStream(
                        GenerateRequest.fromProto(Rig.request("b", 3, 1, 4).build()),
                        new FakeReader()),
                0);
        assertEquals(Optional.empty(), kept.find("b"));
    }

    @Test
    void onlyTheOwnerFindsARequestByItsResponseOrItsKey() {
        kept.add(request("a", "k", 10), 0);
        kept.add(request("b", "", 10), 0);
        AttachSearchRequest.Builder question = AttachSearchRequest.newBuilder().setOwner("o");
        assertEquals(List.of("a"), ids(question.setKey("k")));
        assertEquals(List.of("b"), ids(question.setResponseId("r-b")));
        assertEquals(List.of(), ids(question.setKey("")));
        assertEquals(List.of(), ids(question.setOwner("another").setKey("k")));
        assertEquals(Optional.empty(), kept.find("a", "another"));
    }

    private List<String> ids(AttachSearchRequest.Builder question) {
        return kept.search(question.build(), 0).getRequestsList().stream()
                .map(KeptRequest::getRequestId)
                .toList();
    }

    private static RequestStream moved(boolean logprobs, Integer... committed) {
        SamplingParams sampling = SamplingParams.newBuilder().setLogprobs(logprobs).build();
        return new RequestStream(
                GenerateRequest.fromProto(
                        Rig.request("moved", 3, 1, 9)
                                .setSampling(sampling.toByteString())
                                .addCommitted(
                                        CommittedChoice.newBuilder().addAllIds(List.of(committed)))
                                .setClient(ClientRecord.newBuilder().setOwner("o").setKey("k"))
                                .build()),
                new FakeReader());
    }

    private boolean isPartial(RequestStream stream) {
        kept.add(stream, 0);
        AttachSearchRequest question =
                AttachSearchRequest.newBuilder().setOwner("o").setKey("k").build();
        return kept.search(question, 0).getRequests(0).getPartial();
    }

    /// What another scheduler has reported is known to the readers of that one only.
    @Test
    void aRequestThatMovedAfterLogprobsIsPartialBeforeItsFirstToken() {
        assertTrue(isPartial(moved(true, 7)));
        assertFalse(isPartial(moved(true)));
        assertFalse(isPartial(moved(false, 7)));
    }

    @Test
    void aKeyBelongsToOneResponse() {
        RequestStream first = request("a", "k", 10);
        kept.add(first, 0);
        ClientRecord client = first.request().client().orElseThrow();
        assertFalse(kept.isTaken(client.toBuilder().setPrompt(1).build()));
        assertTrue(kept.isTaken(client.toBuilder().setResponseId("another").build()));
        assertFalse(kept.isTaken(client.toBuilder().setOwner("p").setResponseId("x").build()));
        kept.forget(first);
        assertFalse(kept.isTaken(client.toBuilder().setResponseId("another").build()));
    }

    @Test
    void beyondItsBytesAnEndedRequestGoesBeforeOneThatRuns() {
        int third = (int) (KeptRequests.MAX_BYTES / 3 + 1);
        RequestStream orphan = request("orphan", "", third);
        RequestStream ended = request("ended", "", third);
        RequestStream more = request("more", "", third);
        kept.add(orphan, 0);
        kept.left(orphan, 0);
        kept.add(ended, 0);
        kept.ended(ended, 0);
        kept.add(more, 0);
        assertTrue(kept.isFull());
        assertEquals(List.of(), overdue(1));
        assertTrue(has(orphan));
        assertFalse(has(ended));
    }

    @Test
    void beyondItsBytesTheOneWithoutAReaderForLongestGoesFirst() {
        int third = (int) (KeptRequests.MAX_BYTES / 3 + 1);
        RequestStream read = request("read", "", third);
        RequestStream old = request("old", "", third);
        RequestStream recent = request("recent", "", third);
        kept.add(read, 0);
        kept.add(old, 0);
        kept.left(old, 0);
        assertFalse(kept.isFull());
        kept.add(recent, 0);
        kept.left(recent, 0);
        assertTrue(kept.isFull());
        assertEquals(List.of("old"), overdue(0));
        assertTrue(has(read) && has(recent));
        kept.add(request("too large", "", (int) KeptRequests.MAX_BYTES + 1), 0);
        assertEquals(Optional.empty(), kept.find("too large"));
    }

    private static RequestStream generates(RequestStream stream, int bytes) {
        Payload logprobs = Payload.of(new byte[bytes]);
        stream.generated(0, 0, new SampledToken(7, Optional.of(logprobs)));
        return stream;
    }

    @Test
    void logprobsOfARequestThatRunsCount() {
        RequestStream ended = request("ended", "", 10);
        RequestStream runs = request("runs", "", 10);
        kept.add(ended, 0);
        kept.ended(ended, 0);
        kept.add(runs, 0);
        generates(runs, (int) KeptRequests.MAX_BYTES - 1000);
        assertEquals(List.of(), overdue(1));
        assertTrue(has(ended) && has(runs));
        generates(runs, 1000);
        assertEquals(List.of(), overdue(2));
        assertFalse(has(ended));
    }

    @Test
    void beyondItsBytesTheLargestOfThoseWithAReaderAreNotKept() {
        RequestStream small = request("small", "", 10);
        RequestStream large = request("large", "", 10);
        RequestStream larger = request("larger", "", 10);
        for (RequestStream each : List.of(small, larger, large)) {
            kept.add(each, 0);
        }
        int half = (int) KeptRequests.MAX_BYTES / 2;
        generates(large, half);
        generates(larger, half + 1);
        assertEquals(List.of(), overdue(1), "their readers go on");
        assertTrue(has(small) && has(large));
        assertFalse(has(larger));
        assertTrue(larger.bytes() < 100, "the tokens are let go");
        assertFalse(kept.isFull());
    }
}
