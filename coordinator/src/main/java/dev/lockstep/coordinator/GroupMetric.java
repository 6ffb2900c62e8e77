// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import dev.lockstep.coordinator.engine.GroupView;
import dev.lockstep.proto.v1.GroupStatus;
import java.util.List;
import java.util.function.ToDoubleFunction;
import java.util.function.ToLongFunction;

/// A metric that every group has; [#ALL] is the table of all of them.
///
/// @param name for a counter without the suffix `_total`, which the writer appends
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
                            ofStatus(GroupStatus::getEpoch)),
                    gauge("running", "Sequences that run", ofStatus(GroupStatus::getRunning)),
                    gauge("waiting", "Sequences that wait", ofStatus(GroupStatus::getWaiting)),
                    gauge(
                            "waiting_tokens",
                            "Prompt tokens of sequences that wait",
                            ofStatus(GroupStatus::getWaitingTokens)),
                    gauge(
                            "waiting_limit",
                            "Sequences that may wait",
                            ofStatus(GroupStatus::getWaitingLimit)),
                    gauge(
                            "slots",
                            "Sequences that may run at once",
                            ofStatus(GroupStatus::getMaxNumSeqs)),
                    gauge("blocks", "KV blocks", ofStatus(GroupStatus::getBlocksTotal)),
                    gauge(
                            "blocks_free",
                            "KV blocks that no sequence holds",
                            ofStatus(GroupStatus::getBlocksFree)),
                    gauge(
                            "blocks_cached",
                            "Free KV blocks that a prefix can still find",
                            ofStatus(GroupStatus::getBlocksCached)),
                    counter("steps", "Steps", ofStatus(GroupStatus::getSteps)),
                    counter(
                            "mixed_steps",
                            "Steps with prefill and decode rows together",
                            ofStatus(GroupStatus::getMixedSteps)),
                    counter(
                            "step_bytes",
                            "Bytes of all steps on the wire to one rank",
                            ofStatus(GroupStatus::getStepBytes)),
                    gauge(
                            "bytes_per_step",
                            "Bytes of one step on the wire to one rank, over the last 5 seconds",
                            GroupView::bytesPerStep),
                    counter(
                            "prompt_tokens",
                            "Prompt tokens of admitted sequences, with what was recomputed",
                            ofStatus(GroupStatus::getPromptTokens)),
                    counter(
                            "cached_tokens",
                            "Prompt tokens of admitted sequences that the prefix cache had",
                            ofStatus(GroupStatus::getCachedTokens)),
                    counter(
                            "generated_tokens",
                            "Tokens that were generated",
                            ofStatus(GroupStatus::getGeneratedTokens)),
                    counter(
                            "preemptions",
                            "Sequences whose blocks were freed for others",
                            ofStatus(GroupStatus::getPreemptions)),
                    counter(
                            "expired",
                            "Requests whose deadline passed",
                            ofStatus(GroupStatus::getExpired)),
                    counter(
                            "refused",
                            "Requests refused because the queue was full or took too long",
                            ofStatus(GroupStatus::getRefused)),
                    counter(
                            "refused_by_estimate",
                            "Requests refused because their first token would have come too late",
                            ofStatus(GroupStatus::getRefusedByEstimate)),
                    counter(
                            "group_formations",
                            "Groups that the current scheduler has formed",
                            ofStatus(GroupStatus::getFormations)),
                    counter(
                            "group_losses",
                            "Groups that the current scheduler has lost, other than for a resize",
                            ofStatus(GroupStatus::getLosses)),
                    gauge(
                            "parked",
                            "Sequences of a lost group that wait for the next one",
                            ofStatus(GroupStatus::getParked)),
                    counter(
                            "migrations",
                            "Times that a sequence that had begun went on in another group",
                            ofStatus(GroupStatus::getMigrations)),
                    counter(
                            "recomputed_tokens",
                            "Tokens computed again after a preemption or in another group",
                            ofStatus(GroupStatus::getRecomputedTokens)),
                    counter(
                            "poisoned",
                            "Sequences that ended because a worker failed twice with each",
                            ofStatus(GroupStatus::getPoisoned)),
                    counter(
                            "canary_steps",
                            "Canary steps of an idle group that found what is known",
                            ofStatus(GroupStatus::getCanarySteps)),
                    counter(
                            "expelled_ranks",
                            "Ranks that were taken out because their results were wrong",
                            ofStatus(GroupStatus::getExpelledRanks)),
                    gauge(
                            "slow_ranks",
                            "Ranks that the others wait for most of the time",
                            ofStatus(status -> status.getSlowRank().isEmpty() ? 0 : 1)),
                    counter(
                            "router_requests",
                            "Requests this coordinator sent to the group",
                            view -> view.sent().requests()),
                    counter(
                            "router_prompt_tokens",
                            "Prompt tokens of the requests this coordinator sent to the group",
                            view -> view.sent().promptTokens()),
                    counter(
                            "router_cached_tokens",
                            "Prompt tokens this coordinator knew to be cached in the group, where"
                                    + " it had a choice of groups",
                            view -> view.sent().cachedTokens()),
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

    private static ToDoubleFunction<GroupView> ofStatus(ToLongFunction<GroupStatus> number) {
        return view -> number.applyAsLong(view.status());
    }
}
