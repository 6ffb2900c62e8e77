// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import com.google.protobuf.InvalidProtocolBufferException;
import dev.lockstep.coordinator.engine.SchedulerClient;
import dev.lockstep.coordinator.journal.Journal;
import dev.lockstep.coordinator.journal.JournaledResponse;
import dev.lockstep.proto.v1.AttachSearchRequest;
import dev.lockstep.proto.v1.AttachSearchResponse;
import dev.lockstep.proto.v1.ClientRecord;
import dev.lockstep.proto.v1.KeptRequest;
import dev.lockstep.proto.v1.ResponseRecord;
import io.grpc.Status;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.BinaryOperator;
import org.apache.logging.log4j.LogManager;
import org.apache.logging.log4j.Logger;

/// Finds the responses that the schedulers keep, and those in the journal. All schedulers are asked
/// at once, because any coordinator may have sent a request to any of them.
final class ResponseSearch {
    private static final Logger LOG = LogManager.getLogger(ResponseSearch.class);

    private final SchedulerClient schedulers;
    private final Optional<Journal> journal;
    private final Duration timeout;

    /// @param timeout limit for a scheduler to answer
    ResponseSearch(SchedulerClient schedulers, Optional<Journal> journal, Duration timeout) {
        this.schedulers = schedulers;
        this.journal = journal;
        this.timeout = timeout;
    }

    /// @param incomplete whether a scheduler did not answer
    private record KeptSearch(List<Found> found, boolean incomplete) {}

    /// A kept request and who keeps it.
    private record Found(String scheduler, KeptRequest request) {
        int reader() {
            return request.getClient().getReader();
        }
    }

    /// Of one request that several schedulers keep: where its last reader has it, and where it has
    /// moved last, because that scheduler has it from the first token.
    private static final Comparator<Found> LATEST_FIRST =
            Comparator.comparingInt(Found::reader)
                    .reversed()
                    .thenComparingLong(found -> found.request.getAgeMs());

    /// Returns the response that an event belongs to, from this event on.
    ///
    /// @throws ApiError where it is not kept, or is of another owner
    ResumedResponse require(ResponseOwner owner, EventPlace from) throws InterruptedException {
        return response(owner, from.response())
                .orElseThrow(
                        () ->
                                ApiError.refused(
                                        404,
                                        "request_not_found",
                                        "no scheduler keeps the request "
                                                + Json.quoted(from.response())
                                                + "; requests are kept for a short time only"))
                .from(from);
    }

    /// Returns a response from its beginning.
    Optional<ResumedResponse> response(ResponseOwner owner, String id) throws InterruptedException {
        return find(question(owner, id).build());
    }

    /// Lets nobody find a response any more. Returns whether somebody could have. A scheduler that
    /// does not answer keeps it to the end of its time.
    boolean forget(ResponseOwner owner, String id) throws InterruptedException {
        AttachSearchRequest question = question(owner, id).setForget(true).build();
        KeptSearch kept = ask(question);
        if (kept.incomplete()) {
            LOG.warn("response {} is kept for its time by a scheduler that does not respond", id);
        }
        boolean journaled = journal.filter(each -> each.forget(question)).isPresent();
        return journaled || !kept.found().isEmpty();
    }

    private static AttachSearchRequest.Builder question(ResponseOwner owner, String id) {
        return AttachSearchRequest.newBuilder().setOwner(owner.name()).setResponseId(id);
    }

    /// Returns whether a scheduler keeps a response.
    ///
    /// @throws ApiError while one does not answer
    boolean isKept(ResponseOwner owner, String response) throws InterruptedException {
        KeptSearch kept = ask(question(owner, response).build());
        if (kept.found().isEmpty() && kept.incomplete()) {
            throw incomplete();
        }
        return !kept.found().isEmpty();
    }

    /// Returns the response with an idempotency key, from its beginning.
    Optional<ResumedResponse> find(ResponseOwner owner, String key) throws InterruptedException {
        return find(AttachSearchRequest.newBuilder().setOwner(owner.name()).setKey(key).build());
    }

    private Optional<ResumedResponse> find(AttachSearchRequest question)
            throws InterruptedException {
        KeptSearch kept = ask(question);
        if (kept.found().isEmpty()) {
            Optional<JournaledResponse> journaled = journal.flatMap(each -> each.find(question));
            if (journaled.isEmpty() && kept.incomplete()) {
                throw incomplete();
            }
            return journaled.map(ResponseSearch::journaled);
        }
        return kept.found().stream()
                .map(Found::request)
                .max(Comparator.comparingLong(KeptRequest::getAgeMs))
                .map(oldest -> response(oldest, prompts(kept.found(), oldest)));
    }

    private static ApiError incomplete() {
        return ApiError.unavailable(
                "not_ready", "a scheduler that may keep the request does not respond");
    }

    /// Returns a response that only the journal has.
    private static ResumedResponse journaled(JournaledResponse response) {
        return resumed(
                response.client(),
                response.reader() + 1,
                response.age(),
                Map.of(),
                Optional.of(response),
                false);
    }

    /// Returns a response of the journal that goes on without a reader: every reader is later.
    static ResumedResponse unread(JournaledResponse response) {
        return resumed(
                response.client(),
                response.client().getReader(),
                response.age(),
                Map.of(),
                Optional.of(response),
                false);
    }

    private KeptSearch ask(AttachSearchRequest question) throws InterruptedException {
        List<Found> found = new ArrayList<>();
        List<SchedulerClient.SearchCall> calls = schedulers.search(question, timeout);
        // Without a scheduler nobody knows.
        boolean incomplete = calls.isEmpty();
        try {
            for (SchedulerClient.SearchCall each : calls) {
                try {
                    // The deadline of the call passes first.
                    AttachSearchResponse response =
                            each.response().get(2 * timeout.toNanos(), TimeUnit.NANOSECONDS);
                    response.getRequestsList()
                            .forEach(one -> found.add(new Found(each.scheduler(), one)));
                } catch (ExecutionException e) {
                    Status.Code code = Status.fromThrowable(e).getCode();
                    incomplete |= code != Status.Code.UNIMPLEMENTED;
                } catch (TimeoutException e) {
                    incomplete = true;
                }
            }
        } finally {
            calls.forEach(each -> each.response().cancel(true));
        }
        return new KeptSearch(found, incomplete);
    }

    /// Returns the prompts of a response. Two first requests with one key may both have run.
    private static Map<Integer, Found> prompts(List<Found> found, KeptRequest oldest) {
        Map<Integer, Found> prompts = new HashMap<>();
        String response = oldest.getClient().getResponseId();
        for (Found one : found) {
            if (one.request.getClient().getResponseId().equals(response)) {
                prompts.merge(
                        one.request.getClient().getPrompt(),
                        one,
                        BinaryOperator.minBy(LATEST_FIRST));
            }
        }
        return prompts;
    }

    private ResumedResponse response(KeptRequest any, Map<Integer, Found> found) {
        Optional<JournaledResponse> journaled =
                journal.flatMap(
                        each ->
                                each.find(
                                        AttachSearchRequest.newBuilder()
                                                .setOwner(any.getClient().getOwner())
                                                .setResponseId(any.getClient().getResponseId())
                                                .build()));
        Map<Integer, ResumedResponse.Run> runs = new HashMap<>();
        long age = 0;
        int reader = 0;
        for (Map.Entry<Integer, Found> each : found.entrySet()) {
            KeptRequest request = each.getValue().request();
            age = Math.max(age, request.getAgeMs());
            reader = Math.max(reader, each.getValue().reader());
            // The journal has what is missing.
            if (!request.getPartial() || journaled.isPresent()) {
                runs.put(
                        each.getKey(),
                        new ResumedResponse.Run(
                                each.getValue().scheduler(), request.getRequestId()));
            }
        }
        int last = Math.max(reader, journaled.map(JournaledResponse::reader).orElse(0));
        boolean read = found.values().stream().anyMatch(each -> each.request().getRead());
        return resumed(any.getClient(), last + 1, Duration.ofMillis(age), runs, journaled, read);
    }

    private static ResumedResponse resumed(
            ClientRecord client,
            int reader,
            Duration age,
            Map<Integer, ResumedResponse.Run> runs,
            Optional<JournaledResponse> journaled,
            boolean read) {
        try {
            return new ResumedResponse(
                    client.getResponseId(),
                    new ResponseOwner(client.getOwner()),
                    ResponseRecord.parseFrom(client.getRecord()),
                    client.getKey(),
                    reader,
                    age,
                    EventPlace.begin(client.getResponseId()),
                    runs,
                    journaled,
                    read);
        } catch (InvalidProtocolBufferException e) {
            throw new IllegalStateException("the record of a kept request cannot be read", e);
        }
    }
}
