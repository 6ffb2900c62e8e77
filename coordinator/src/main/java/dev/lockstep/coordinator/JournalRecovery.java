// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import dev.lockstep.cluster.process.Clock;
import dev.lockstep.coordinator.engine.CompletionInbox;
import dev.lockstep.coordinator.journal.Journal;
import dev.lockstep.coordinator.journal.JournaledResponse;
import dev.lockstep.coordinator.journal.JournaledRun;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Executor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.BooleanSupplier;
import org.apache.logging.log4j.LogManager;
import org.apache.logging.log4j.Logger;

/// Goes on with the responses of the journal that had not ended when their coordinator died:
/// without a reader, for the window in which their clients may come back. What a scheduler keeps
/// goes on there; if it is to be stored it is read here.
final class JournalRecovery implements AutoCloseable {
    private static final Logger LOG = LogManager.getLogger(JournalRecovery.class);

    /// The longest wait for a group.
    private static final Duration MAX_WAIT = Duration.ofMinutes(10);

    private static final Duration POLL = Duration.ofMillis(100);
    private static final int UNAVAILABLE = 503;

    private final Journal journal;
    private final ResponseSearch search;
    private final Preparation preparation;
    private final BooleanSupplier ready;
    private final Clock clock;
    private final Duration window;
    private final Set<CompletionInbox> running = ConcurrentHashMap.newKeySet();
    private volatile boolean closed;

    /// Prepares the completion of a response that nobody reads.
    @FunctionalInterface
    interface Preparation {
        Completion prepare(ResumedResponse response, RequestContext context, CompletionInbox inbox);
    }

    /// @param ready whether a group serves
    /// @param window how long a response goes on
    JournalRecovery(
            Journal journal,
            ResponseSearch search,
            Preparation preparation,
            BooleanSupplier ready,
            Clock clock,
            Duration window) {
        this.journal = journal;
        this.search = search;
        this.preparation = preparation;
        this.ready = ready;
        this.clock = clock;
        this.window = window;
    }

    /// Begins, and returns at once.
    void start(Executor threads) {
        journal.unfinished().forEach(response -> threads.execute(() -> goOn(response)));
    }

    /// Ends all completions; another process may go on with them.
    @Override
    public void close() {
        closed = true;
        running.forEach(JournalRecovery::stop);
    }

    private static void stop(CompletionInbox inbox) {
        inbox.stop(ApiError.unavailable("shutting_down", "this coordinator is stopping"));
    }

    private void goOn(JournaledResponse response) {
        var inbox = new CompletionInbox();
        var taken = new AtomicBoolean();
        // It is not forgotten while it waits for a group.
        Optional<JournaledRun> held =
                journal.begin(
                        response.client(),
                        response.tenant(),
                        response.age(),
                        () -> taken.set(true));
        if (held.isEmpty()) {
            return;
        }
        running.add(inbox);
        try {
            run(response, inbox, taken);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        } catch (ApiError e) {
            LOG.info("request {} does not go on: {}", id(response), e.code());
        } catch (RuntimeException | StackOverflowError e) {
            var _ = RequestFault.logged("request " + id(response), e);
        } finally {
            running.remove(inbox);
            if (closed || Thread.currentThread().isInterrupted()) {
                held.get().leave();
            } else {
                held.get().end(false);
            }
        }
    }

    private static String id(JournaledResponse response) {
        return response.client().getResponseId();
    }

    private void run(JournaledResponse response, CompletionInbox inbox, AtomicBoolean taken)
            throws InterruptedException {
        long giveUp = clock.nanoTime() + MAX_WAIT.toNanos();
        while (!closed && !taken.get() && clock.nanoTime() - giveUp < 0) {
            if (ready.getAsBoolean()) {
                try {
                    if (!search.isKept(owner(response), id(response))) {
                        run(ResponseSearch.unread(response), response.tenant(), inbox);
                        return;
                    }
                    Optional<ResumedResponse> unread = unreadAndStored(response);
                    if (unread.isPresent()) {
                        run(unread.get(), response.tenant(), inbox);
                    } else {
                        LOG.info("request {} goes on: its scheduler keeps it", id(response));
                    }
                    return;
                } catch (ApiError e) {
                    if (e.status() != UNAVAILABLE) {
                        throw e;
                    }
                }
            }
            Thread.sleep(POLL);
        }
        if (!closed && !taken.get()) {
            LOG.warn(
                    "request {} does not go on: no group was ready for {} s",
                    id(response),
                    MAX_WAIT.toSeconds());
        }
    }

    private static ResponseOwner owner(JournaledResponse response) {
        return new ResponseOwner(response.client().getOwner());
    }

    /// Returns a response that its scheduler keeps for a time only, and its client asks for later.
    private Optional<ResumedResponse> unreadAndStored(JournaledResponse response)
            throws InterruptedException {
        return search.response(owner(response), id(response))
                .filter(kept -> kept.record().getStored() && !kept.read());
    }

    private void run(ResumedResponse resumed, String tenant, CompletionInbox inbox) {
        var context =
                new RequestContext(
                                resumed.record().getRequestId(),
                                tenant.isEmpty() ? List.of() : List.of(tenant),
                                new RequestContext.Credential(""),
                                clock.nanoTime())
                        .resuming(resumed);
        Completion completion = preparation.prepare(resumed, context, inbox);
        if (closed) {
            stop(inbox);
        }
        completion.requireGroup();
        LOG.info("request {} goes on without a reader", resumed.id());
        // One that is stored is asked for later.
        if (!resumed.record().getStored()) {
            CompletableFuture.delayedExecutor(window.toNanos(), TimeUnit.NANOSECONDS)
                    .execute(() -> inbox.stop(ApiError.clientDisconnected()));
        }
        completion.run();
    }
}
