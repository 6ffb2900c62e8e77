// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.scheduler.process;

import dev.lockstep.proto.v1.ChoiceTimeline;
import dev.lockstep.proto.v1.RequestTimeline;
import dev.lockstep.proto.v1.TimelineEvent;
import dev.lockstep.scheduler.Timeline;
import java.util.List;
import java.util.concurrent.TimeUnit;

/// Converts the timeline of a request to its message.
final class TimelineMessages {
    private TimelineMessages() {}

    static RequestTimeline toProto(String requestId, List<Timeline.Choice> choices) {
        RequestTimeline.Builder proto = RequestTimeline.newBuilder().setRequestId(requestId);
        choices.forEach(choice -> proto.addChoices(toProto(choice)));
        return proto.build();
    }

    private static ChoiceTimeline.Builder toProto(Timeline.Choice choice) {
        ChoiceTimeline.Builder proto =
                ChoiceTimeline.newBuilder()
                        .setChoice(choice.choice())
                        .setState(Timeline.label(choice.state()))
                        .setTruncated(choice.truncated())
                        .setQueuedMicros(micros(choice.queueNanos()))
                        .setPrefillMicros(micros(choice.prefillNanos()))
                        .setDecodeMicros(micros(choice.decodeNanos()));
        choice.events().forEach(event -> proto.addEvents(toProto(event)));
        return proto;
    }

    private static TimelineEvent.Builder toProto(Timeline.Event event) {
        return TimelineEvent.newBuilder()
                .setMicros(micros(event.nanos()))
                .setKind(Timeline.label(event.kind()))
                .setReason(
                        event.reason() == Timeline.Reason.NONE
                                ? ""
                                : Timeline.label(event.reason()))
                .setOnRequest(event.onRequest())
                .setFirstStep(event.firstStep())
                .setLastStep(event.lastStep())
                .setTokens(event.tokens())
                .setBatchRows(event.batchRows())
                .setBatchTokens(event.batchTokens());
    }

    private static long micros(long nanos) {
        return TimeUnit.NANOSECONDS.toMicros(nanos);
    }
}
