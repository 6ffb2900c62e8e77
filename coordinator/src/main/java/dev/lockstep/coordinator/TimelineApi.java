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

/// What `GET /v1/requests/{id}` says: what happened to a request lately, by the id of its answer.
///
/// All schedulers are asked at once, since any coordinator may have sent it to any of them. Of an
/// answer to several prompts this is the first one's; the others' ids end in `-1`, `-2` and so on.
public final class TimelineApi {
    /// A scheduler answers from memory; one that does not is busy with something worse.
    static final Duration TIMEOUT = Duration.ofSeconds(2);

    private static final Duration SOON = Duration.ofSeconds(1);
    private static final Pattern ID = Pattern.compile("[A-Za-z0-9_-]{1,128}");

    private final SchedulerClient schedulers;

    /// What one of them knows.
    private record Known(String group, RequestTimeline timeline) {

        /// What a group lost, another may have finished.
        boolean isAborted() {
            return timeline.getChoicesList().stream()
                    .anyMatch(choice -> choice.getState().equals("aborted"));
        }
    }

    public TimelineApi(SchedulerClient schedulers) {
        this.schedulers = schedulers;
    }

    /// Waits for the schedulers, at most as long as [#TIMEOUT].
    public ObjectNode of(String id) throws InterruptedException {
        if (!ID.matcher(id).matches()) {
            throw unknown(id);
        }
        List<SchedulerClient.Described> asked = schedulers.describe(id, TIMEOUT);
        Optional<Known> best = Optional.empty();
        boolean silent = false;
        try {
            for (SchedulerClient.Described each : asked) {
                try {
                    // Their own deadline comes first.
                    RequestTimeline timeline =
                            each.answer().get(2 * TIMEOUT.toNanos(), TimeUnit.NANOSECONDS);
                    if (best.isEmpty() || best.get().isAborted()) {
                        best = Optional.of(new Known(each.group(), timeline));
                    }
                } catch (ExecutionException e) {
                    silent |= !saysNo(Status.fromThrowable(e));
                } catch (TimeoutException e) {
                    silent = true;
                }
            }
        } finally {
            asked.forEach(each -> each.answer().cancel(true));
        }
        if (best.isEmpty() && silent) {
            throw ApiError.unavailable(
                    "not_ready", "a scheduler that may know the request does not answer", SOON);
        }
        return toJson(best.orElseThrow(() -> unknown(id)));
    }

    private static boolean saysNo(Status status) {
        return switch (status.getCode()) {
            // An older one keeps no timelines, a standby has none.
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
                        + "; it is the id of an answer, and it is forgotten after a while");
    }

    private static ObjectNode toJson(Known known) {
        ObjectNode root =
                Json.object()
                        .put("request_id", known.timeline().getRequestId())
                        .put("group", known.group());
        ArrayNode choices = root.putArray("choices");
        known.timeline().getChoicesList().forEach(choice -> put(choices.addObject(), choice));
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

    /// What says nothing of its kind of event is left out.
    private static void put(ObjectNode node, TimelineEvent event) {
        node.put("micros", event.getMicros()).put("kind", event.getKind());
        if (!event.getReason().isEmpty()) {
            node.put("reason", event.getReason());
        }
        if (!event.getOnRequest().isEmpty()) {
            node.put("on_request", event.getOnRequest());
        }
        boolean steps = event.getKind().equals("steps");
        putUnlessNothing(node, "first_step", event.getFirstStep(), steps);
        putUnlessNothing(node, "last_step", event.getLastStep(), steps);
        putUnlessNothing(
                node, "tokens", event.getTokens(), steps || event.getKind().equals("admitted"));
        putUnlessNothing(node, "batch_rows", event.getBatchRows(), steps);
        putUnlessNothing(node, "batch_tokens", event.getBatchTokens(), steps);
    }

    private static void putUnlessNothing(ObjectNode node, String name, long value, boolean always) {
        if (always || value != 0) {
            node.put(name, value);
        }
    }
}
