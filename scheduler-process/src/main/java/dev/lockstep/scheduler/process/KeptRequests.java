// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.scheduler.process;

import dev.lockstep.proto.v1.AttachSearchRequest;
import dev.lockstep.proto.v1.AttachSearchResponse;
import dev.lockstep.proto.v1.ClientRecord;
import dev.lockstep.proto.v1.KeptRequest;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import java.util.function.Predicate;
import org.apache.logging.log4j.LogManager;
import org.apache.logging.log4j.Logger;

/// The requests that another coordinator may go on with: those that run, those whose reader is
/// gone, and those that ended not long ago. Owned by the step loop's thread.
///
/// The number of those without a reader and the bytes of all are bounded; beyond that ended ones go
/// first, then those that have been without a reader for longest, and last the largest of those
/// with a reader, which run on without being kept.
final class KeptRequests {
    static final int MAX_IDLE = 4096;
    static final long MAX_BYTES = 32L << 20;

    /// How long a request that a client may repeat by its key is kept after its end.
    static final Duration KEY_TIME = Duration.ofMinutes(10);

    private static final Logger LOG = LogManager.getLogger(KeptRequests.class);

    private final Duration window;
    private final Map<String, Kept> all = new HashMap<>();

    /// Those without a reader, in the order in which they lost it.
    private final Set<Kept> idle = new LinkedHashSet<>();

    private long bytes;

    private static final class Kept {
        final RequestStream stream;
        final long beganNanos;
        ClientRecord client;
        long bytes;
        long untilNanos;
        boolean runs = true;

        Kept(RequestStream stream, ClientRecord client, long nanos) {
            this.stream = stream;
            this.client = client;
            this.beganNanos = nanos;
        }
    }

    /// @param window how long a request is kept without a reader; zero keeps none
    KeptRequests(Duration window) {
        this.window = window;
    }

    /// Keeps a request that runs from now on, if it can be kept.
    void add(RequestStream stream, long nanos) {
        Optional<ClientRecord> client = stream.request().client();
        if (client.isEmpty() || window.isZero()) {
            return;
        }
        var kept = new Kept(stream, client.get(), nanos);
        kept.bytes = stream.bytes();
        if (kept.bytes > MAX_BYTES) {
            return;
        }
        stream.keep();
        all.put(stream.request().id(), kept);
        bytes += kept.bytes;
    }

    Optional<RequestStream> find(String requestId) {
        return Optional.ofNullable(all.get(requestId)).map(kept -> kept.stream);
    }

    Optional<RequestStream> find(String requestId, String owner) {
        return Optional.ofNullable(all.get(requestId))
                .filter(kept -> kept.client.getOwner().equals(owner))
                .map(kept -> kept.stream);
    }

    private Optional<Kept> kept(RequestStream stream) {
        return Optional.ofNullable(all.get(stream.request().id()))
                .filter(kept -> kept.stream == stream);
    }

    /// Whether a kept request has not ended.
    boolean isRunning(RequestStream stream) {
        return kept(stream).filter(kept -> kept.runs).isPresent();
    }

    /// Returns whether the key of a request is that of another response.
    boolean isTaken(ClientRecord client) {
        return !client.getKey().isEmpty()
                && all.values().stream()
                        .map(kept -> kept.client)
                        .anyMatch(
                                other ->
                                        other.getKey().equals(client.getKey())
                                                && other.getOwner().equals(client.getOwner())
                                                && !other.getResponseId()
                                                        .equals(client.getResponseId()));
    }

    AttachSearchResponse search(AttachSearchRequest question, long nanos) {
        Predicate<ClientRecord> matches =
                switch (question.getByCase()) {
                    case RESPONSE_ID ->
                            client -> client.getResponseId().equals(question.getResponseId());
                    case KEY ->
                            client ->
                                    !client.getKey().isEmpty()
                                            && client.getKey().equals(question.getKey());
                    case BY_NOT_SET -> _ -> false;
                };
        AttachSearchResponse.Builder found = AttachSearchResponse.newBuilder();
        for (Kept kept : all.values()) {
            if (kept.client.getOwner().equals(question.getOwner()) && matches.test(kept.client)) {
                found.addRequests(
                        KeptRequest.newBuilder()
                                .setRequestId(kept.stream.request().id())
                                .setClient(kept.client)
                                .setAgeMs(TimeUnit.NANOSECONDS.toMillis(nanos - kept.beganNanos))
                                .setPartial(kept.stream.isPartial())
                                .setRead(kept.runs && !idle.contains(kept)));
            }
        }
        return found.build();
    }

    /// The reader of a request is gone.
    void left(RequestStream stream, long nanos) {
        kept(stream)
                .filter(idle::add)
                .ifPresent(kept -> kept.untilNanos = nanos + window.toNanos());
    }

    /// Returns whether the reader of the kept request with this one's id is a later one. A
    /// coordinator that was cut off may send a request again that its client reads elsewhere.
    boolean hasLaterReader(GenerateRequest request) {
        Kept kept = all.get(request.id());
        return kept != null
                && request.client()
                        .filter(client -> client.getReader() < kept.client.getReader())
                        .isPresent();
    }

    /// Gives a kept request another reader. Returns false if a later one has it.
    boolean tryAttach(RequestStream stream, int reader) {
        Optional<Kept> kept = kept(stream).filter(one -> one.client.getReader() <= reader);
        kept.ifPresent(one -> one.client = one.client.toBuilder().setReader(reader).build());
        kept.filter(one -> one.runs).ifPresent(idle::remove);
        return kept.isPresent();
    }

    /// A request has ended.
    void ended(RequestStream stream, long nanos) {
        kept(stream).filter(kept -> kept.runs).ifPresent(kept -> ended(kept, nanos));
    }

    private void ended(Kept kept, long nanos) {
        kept.runs = false;
        // Also one that was interrupted: a stop string ends a response at the coordinator.
        boolean repeatable = !kept.client.getKey().isEmpty();
        kept.untilNanos = nanos + (repeatable ? KEY_TIME : window).toNanos();
        count(kept);
        idle.remove(kept);
        idle.add(kept);
    }

    /// Counts the bytes that a request has now.
    private void count(Kept kept) {
        long now = kept.stream.bytes();
        bytes += now - kept.bytes;
        kept.bytes = now;
    }

    void forget(RequestStream stream) {
        kept(stream).ifPresent(this::remove);
    }

    private void remove(Kept kept) {
        all.remove(kept.stream.request().id());
        idle.remove(kept);
        bytes -= kept.bytes;
    }

    /// Removes those whose time is over or for which there is no room, and returns those of them
    /// that run without a reader. Called about once a second: in between the tokens of requests
    /// that run do not count.
    List<RequestStream> removeOverdue(long nanos) {
        all.values().stream().filter(kept -> kept.runs).forEach(this::count);
        List<RequestStream> running = new ArrayList<>();
        for (Kept kept : List.copyOf(idle)) {
            if (kept.untilNanos - nanos <= 0) {
                remove(kept, running);
            }
        }
        int overflow = 0;
        for (Kept kept : isFull() ? inOrderOfRemoval() : List.<Kept>of()) {
            if (!isFull()) {
                break;
            }
            overflow++;
            remove(kept, running);
        }
        if (overflow > 0) {
            LOG.warn(
                    "{} requests cannot be resumed any more: at most {}, and {} bytes, are kept",
                    overflow,
                    MAX_IDLE,
                    MAX_BYTES);
        }
        return running;
    }

    private List<Kept> inOrderOfRemoval() {
        List<Kept> order = new ArrayList<>();
        idle.stream().filter(kept -> !kept.runs).forEach(order::add);
        idle.stream().filter(kept -> kept.runs).forEach(order::add);
        all.values().stream()
                .filter(kept -> !idle.contains(kept))
                .sorted(Comparator.comparingLong((Kept kept) -> kept.bytes).reversed())
                .forEach(order::add);
        return order;
    }

    /// @param unread gets those that run without a reader
    private void remove(Kept kept, List<RequestStream> unread) {
        if (kept.runs && idle.contains(kept)) {
            unread.add(kept.stream);
        }
        remove(kept);
        kept.stream.keepNoMore();
    }

    /// Whether something must be removed before its time.
    boolean isFull() {
        return idle.size() > MAX_IDLE || bytes > MAX_BYTES;
    }
}
