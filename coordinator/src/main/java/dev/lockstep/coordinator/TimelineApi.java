// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.lockstep.coordinator.engine.SchedulerClient;
import dev.lockstep.proto.v1.ChoiceTimeline;
import dev.lockstep.proto.v1.RequestTimeline;
import dev.lockstep.proto.v1.TimelineEvent;
import io.grpc.Status;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.regex.Pattern;

/// `GET /v1/requests/{id}`: the timeline of a recent request of the same tenant, by the id of its
/// response. Requests of other tenants are unknown.
///
/// All schedulers are queried at once, because any coordinator may have sent the request to any of
/// them. For a response to several prompts this is the timeline of the first; the ids of the others
/// end in `-1`, `-2` and so on.
final class TimelineApi {
    /// Ample time: a scheduler responds from memory, unless it has a problem.
    static final Duration TIMEOUT = Duration.ofSeconds(2);

    private static final Pattern ID = Pattern.compile("[A-Za-z0-9_-]{1,128}");

    private final SchedulerClient schedulers;

    /// A timeline and the group that reported it.
    private record Found(String group, RequestTimeline timeline) {

        /// Returns whether the group lost the request, so that another may have finished it.
        boolean isAborted() {
            return timeline.getChoicesList().stream()
                    .anyMatch(choice -> choice.getState().equals("aborted"));
        }
    }

    TimelineApi(SchedulerClient schedulers) {
        this.schedulers = schedulers;
    }

    /// Returns the timeline as the HTTP API shows it; waits for the schedulers, at most for
    /// [#TIMEOUT].
    ObjectNode json(String id, String tenant) throws InterruptedException {
        return toJson(find(id, tenant));
    }

    /// As [#json], for gRPC.
    RequestTimeline message(String id, String tenant) throws InterruptedException {
        return find(id, tenant).timeline();
    }

    private Found find(String id, String tenant) throws InterruptedException {
        if (!ID.matcher(id).matches()) {
            throw unknown(id);
        }
        List<SchedulerClient.TimelineCall> calls = schedulers.describe(id, tenant, TIMEOUT);
        Optional<Found> best = Optional.empty();
        boolean incomplete = false;
        try {
            for (SchedulerClient.TimelineCall each : calls) {
                try {
                    // The deadline of the call passes first.
                    RequestTimeline timeline =
                            each.response().get(2 * TIMEOUT.toNanos(), TimeUnit.NANOSECONDS);
                    if (best.isEmpty() || best.get().isAborted()) {
                        best = Optional.of(new Found(each.group(), timeline));
                    }
                } catch (ExecutionException e) {
                    incomplete |= !isUnknown(Status.fromThrowable(e));
                } catch (TimeoutException e) {
                    incomplete = true;
                }
            }
        } finally {
            calls.forEach(each -> each.response().cancel(true));
        }
        if (best.isEmpty() && incomplete) {
            throw ApiError.unavailable(
                    "not_ready", "a scheduler that may know the request does not respond");
        }
        return best.orElseThrow(() -> unknown(id));
    }

    private static boolean isUnknown(Status status) {
        return switch (status.getCode()) {
            // An older scheduler keeps no timelines, a standby has none.
            case NOT_FOUND, UNIMPLEMENTED, FAILED_PRECONDITION -> true;
            default -> false;
        };
    }

    private static ApiError unknown(String id) {
        return ApiError.refused(
                404,
                "request_not_found",
                "no scheduler knows the request "
                        + Json.quoted(id)
                        + "; use the id of a response; schedulers forget old requests");
    }

    private static ObjectNode toJson(Found found) {
        ObjectNode root =
                Json.object()
                        .put("request_id", found.timeline().getRequestId())
                        .put("group", found.group());
        ArrayNode choices = root.putArray("choices");
        found.timeline().getChoicesList().forEach(choice -> put(choices.addObject(), choice));
        return root;
    }

    private static void put(ObjectNode node, ChoiceTimeline choice) {
        node.put("choice", choice.getChoice())
                .put("state", choice.getState())
                .put("queued_micros", choice.getQueuedMicros())
                .put("prefill_micros", choice.getPrefillMicros())
                .put("decode_micros", choice.getDecodeMicros())
                .put("truncated", choice.getTruncated());
        ArrayNode events = node.putArray("events");
        choice.getEventsList().forEach(event -> put(events.addObject(), event));
    }

    /// Writes an event without the fields that its kind does not have.
    private static void put(ObjectNode node, TimelineEvent event) {
        node.put("micros", event.getMicros()).put("kind", event.getKind());
        if (!event.getReason().isEmpty()) {
            node.put("reason", event.getReason());
        }
        if (!event.getOnRequest().isEmpty()) {
            node.put("on_request", event.getOnRequest());
        }
        boolean steps = event.getKind().equals("steps");
        putUnlessZero(node, "first_step", event.getFirstStep(), steps);
        putUnlessZero(node, "last_step", event.getLastStep(), steps);
        putUnlessZero(
                node, "tokens", event.getTokens(), steps || event.getKind().equals("admitted"));
        putUnlessZero(node, "batch_rows", event.getBatchRows(), steps);
        putUnlessZero(node, "batch_tokens", event.getBatchTokens(), steps);
    }

    private static void putUnlessZero(ObjectNode node, String name, long value, boolean always) {
        if (always || value != 0) {
            node.put(name, value);
        }
    }
}
