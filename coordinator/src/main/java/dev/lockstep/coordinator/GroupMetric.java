package dev.lockstep.coordinator;

import dev.lockstep.coordinator.engine.GroupView;
import dev.lockstep.proto.v1.GroupStatus;
import java.util.List;
import java.util.function.ToDoubleFunction;
import java.util.function.ToLongFunction;

/// One number that every group has; the table of all of them is [#ALL].
///
/// @param name a counter's gets `_total` behind it when it is written
public record GroupMetric(String name, Kind kind, String help, ToDoubleFunction<GroupView> value) {

    enum Kind {
        COUNTER,
        GAUGE
    }

    public static final List<GroupMetric> ALL =
            List.of(
                    gauge("group_ready", "1 when the group serves", view -> view.ready() ? 1 : 0),
                    gauge(
                            "group_epoch",
                            "How often the group was formed",
                            told(GroupStatus::getEpoch)),
                    gauge("running", "Sequences that run", told(GroupStatus::getRunning)),
                    gauge("waiting", "Sequences that wait", told(GroupStatus::getWaiting)),
                    gauge(
                            "waiting_tokens",
                            "Prompt tokens of sequences that wait",
                            told(GroupStatus::getWaitingTokens)),
                    gauge(
                            "waiting_limit",
                            "Sequences that may wait",
                            told(GroupStatus::getWaitingLimit)),
                    gauge(
                            "slots",
                            "Sequences that may run at once",
                            told(GroupStatus::getMaxNumSeqs)),
                    gauge("blocks", "KV blocks", told(GroupStatus::getBlocksTotal)),
                    gauge(
                            "blocks_free",
                            "KV blocks that no sequence holds",
                            told(GroupStatus::getBlocksFree)),
                    gauge(
                            "blocks_cached",
                            "Free KV blocks that a prefix can still find",
                            told(GroupStatus::getBlocksCached)),
                    counter("steps", "Steps", told(GroupStatus::getSteps)),
                    counter(
                            "mixed_steps",
                            "Steps with prefill and decode rows together",
                            told(GroupStatus::getMixedSteps)),
                    counter(
                            "step_bytes",
                            "Bytes that all steps took on the wire to one rank",
                            told(GroupStatus::getStepBytes)),
                    gauge(
                            "bytes_per_step",
                            "Bytes that one step took on the wire to one rank, over the last 5 seconds",
                            GroupView::bytesPerStep),
                    counter(
                            "prompt_tokens",
                            "Prompt tokens of admitted sequences, with what was recomputed",
                            told(GroupStatus::getPromptTokens)),
                    counter(
                            "cached_tokens",
                            "Prompt tokens of admitted sequences that the prefix cache had",
                            told(GroupStatus::getCachedTokens)),
                    counter(
                            "generated_tokens",
                            "Tokens that were generated",
                            told(GroupStatus::getGeneratedTokens)),
                    counter(
                            "preemptions",
                            "Sequences that gave their blocks back for others",
                            told(GroupStatus::getPreemptions)),
                    counter(
                            "expired",
                            "Requests whose deadline passed",
                            told(GroupStatus::getExpired)),
                    counter(
                            "refused",
                            "Requests refused for a full queue or a deadline out of reach",
                            told(GroupStatus::getRefused)),
                    counter(
                            "router_requests",
                            "Requests this coordinator sent to the group",
                            view -> view.routed().requests()),
                    counter(
                            "router_prompt_tokens",
                            "Prompt tokens of the requests this coordinator sent to the group",
                            view -> view.routed().promptTokens()),
                    counter(
                            "router_cached_tokens",
                            "Prompt tokens this coordinator knew to be cached in the group, where it had a choice of groups",
                            view -> view.routed().cachedTokens()),
                    gauge(
                            "router_blocks",
                            "Cached blocks of the group that this coordinator knows",
                            view -> view.blocks().size()));

    private static GroupMetric counter(
            String name, String help, ToDoubleFunction<GroupView> value) {
        return new GroupMetric("lockstep_" + name, Kind.COUNTER, help, value);
    }

    private static GroupMetric gauge(String name, String help, ToDoubleFunction<GroupView> value) {
        return new GroupMetric("lockstep_" + name, Kind.GAUGE, help, value);
    }

    private static ToDoubleFunction<GroupView> told(ToLongFunction<GroupStatus> number) {
        return view -> number.applyAsLong(view.status());
    }
}
