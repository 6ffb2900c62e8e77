// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import dev.lockstep.coordinator.engine.CompletionInbox;
import java.time.Duration;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/// Takes over responses of `/v1/responses` that another coordinator began: they run on here, and
/// are stored here at their end. Safe for any thread.
final class TakenResponses {
    /// Much longer than a search at the schedulers and a write to the disk.
    private static final Duration START_TIMEOUT = Duration.ofSeconds(30);

    private final ResponsesApi api;
    private final Responses responses;
    private final ResponseSearch search;
    private final OpenRequests requests;
    private final Metrics metrics;
    private final ExecutorService threads;
    private final Duration slowClient;

    /// Those that are being taken over, so that clients who come at the same time share one.
    private final Map<Name, CompletableFuture<Optional<RunningResponse>>> taking =
            new ConcurrentHashMap<>();

    private record Name(ResponseOwner owner, String id) {}

    TakenResponses(
            ResponsesApi api,
            Responses responses,
            ResponseSearch search,
            OpenRequests requests,
            Metrics metrics,
            ExecutorService threads,
            Duration slowClient) {
        this.api = api;
        this.responses = responses;
        this.search = search;
        this.requests = requests;
        this.metrics = metrics;
        this.threads = threads;
        this.slowClient = slowClient;
    }

    /// Throws an [ApiError] where a response is not to be taken over for a request.
    @FunctionalInterface
    interface Condition {
        void require(ResumedResponse response);
    }

    /// Returns a response that neither runs nor is stored here, once it runs here; empty if no
    /// scheduler keeps it, or if it is stored here by now.
    ///
    /// @param context of the request that asks for it
    /// @param condition on which it is taken over; as long as it does not hold nothing changes
    /// @param inbox of its completion
    Optional<RunningResponse> take(
            String id, RequestContext context, Condition condition, CompletionInbox inbox)
            throws InterruptedException {
        if (!ResponseStore.isId(id)) {
            return Optional.empty();
        }
        var name = new Name(context.owner(), id);
        while (true) {
            var mine = new CompletableFuture<Optional<RunningResponse>>();
            CompletableFuture<Optional<RunningResponse>> first = taking.putIfAbsent(name, mine);
            if (first == null) {
                return lead(name, mine, context, condition, inbox);
            }
            try {
                return await(first);
            } catch (CancellationException _) {
                // The condition of the first client did not hold; that of this one may.
            }
        }
    }

    /// Takes over a response, also for those who come meanwhile.
    private Optional<RunningResponse> lead(
            Name name,
            CompletableFuture<Optional<RunningResponse>> mine,
            RequestContext context,
            Condition condition,
            CompletionInbox inbox)
            throws InterruptedException {
        try {
            // It may have been taken over a moment ago, and have ended since.
            Optional<RunningResponse> taken = responses.running(name.owner(), name.id());
            if (taken.isEmpty() && !isStored(name)) {
                Optional<ResumedResponse> found = find(name);
                if (found.isPresent()) {
                    require(condition, found.get(), name, mine);
                    taken = Optional.of(start(found.get(), context, inbox));
                }
            }
            taking.remove(name, mine);
            mine.complete(taken);
            return taken;
        } catch (RuntimeException e) {
            taking.remove(name, mine);
            mine.completeExceptionally(e);
            throw e;
        } finally {
            taking.remove(name, mine);
            mine.completeExceptionally(unknown(name.id()));
        }
    }

    private boolean isStored(Name name) {
        Optional<Responses.Held> held = responses.stored(name.owner(), name.id());
        held.ifPresent(Responses.Held::close);
        return held.isPresent();
    }

    private Optional<ResumedResponse> find(Name name) throws InterruptedException {
        return search.response(name.owner(), name.id())
                .filter(response -> response.record().getStored());
    }

    /// Lets the others who wait try for themselves where the condition of one does not hold.
    private void require(
            Condition condition,
            ResumedResponse found,
            Name name,
            CompletableFuture<Optional<RunningResponse>> mine) {
        try {
            condition.require(found);
        } catch (ApiError e) {
            taking.remove(name, mine);
            boolean _ = mine.cancel(false);
            throw e;
        }
    }

    private static ApiError unknown(String id) {
        return ApiError.unavailable(
                "not_ready", "the response " + Json.quoted(id) + " could not be taken over");
    }

    private RunningResponse start(
            ResumedResponse found, RequestContext context, CompletionInbox inbox)
            throws InterruptedException {
        var created = new CompletableFuture<RunningResponse>();
        threads.execute(() -> run(found, context, inbox, created));
        RunningResponse response = await(created);
        await(response.start());
        metrics.countResumed();
        return response;
    }

    private void run(
            ResumedResponse resumed,
            RequestContext context,
            CompletionInbox inbox,
            CompletableFuture<RunningResponse> created) {
        boolean entered = false;
        try {
            requests.enter(inbox);
            entered = true;
            ResponsesApi.Created prepared = prepare(resumed, context, inbox);
            created.complete(prepared.response());
            prepared.completion().run();
        } catch (ApiError e) {
            created.completeExceptionally(e);
        } catch (RuntimeException | StackOverflowError e) {
            created.completeExceptionally(RequestFault.logged("request " + context.requestId(), e));
        } finally {
            if (entered) {
                requests.leave(inbox);
            }
        }
    }

    private ResponsesApi.Created prepare(
            ResumedResponse resumed, RequestContext context, CompletionInbox inbox) {
        byte[] body = resumed.record().getBody().toByteArray();
        HttpExchange nobody =
                HttpExchange.ofNobody(ResponsesApi.PATH, context.requestId(), slowClient);
        try (RequestMemory.Reservation _ = responses.reserve(body, new byte[0])) {
            return api.response(Json.parse(body), context.resuming(resumed), nobody, inbox);
        }
    }

    private static <T> T await(CompletableFuture<T> future) throws InterruptedException {
        try {
            return future.get(START_TIMEOUT.toNanos(), TimeUnit.NANOSECONDS);
        } catch (ExecutionException e) {
            throw e.getCause() instanceof ApiError error
                    ? error
                    : new IllegalStateException("a response could not be taken over", e);
        } catch (TimeoutException e) {
            throw ApiError.unavailable(
                    "not_ready",
                    "the response did not start within " + START_TIMEOUT.toSeconds() + " s");
        }
    }

    /// Lets no coordinator take over a response again. Returns whether one could have.
    boolean forget(ResponseOwner owner, String id) throws InterruptedException {
        return ResponseStore.isId(id) && search.forget(owner, id);
    }
}
