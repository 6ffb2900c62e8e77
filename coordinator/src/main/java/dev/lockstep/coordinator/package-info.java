/// Client connections and text: HTTP and gRPC in, one call to a scheduler for each prompt out.
///
/// In reading order: [CoordinatorMain] starts [Coordinator], which listens. [OpenAiApi] and
/// [InferenceService] take requests; [ChatRequest] and [CompletionRequest] check them,
/// [Completions] turns them into token ids and [Completion] runs each on a virtual thread of its
/// own. [SchedulerClient] knows the schedulers, [Router] picks one by load and by what [BlockWatch]
/// hears of its cache, [SchedulerCall] speaks to it. [ChoiceText] turns the tokens of a choice into
/// text, an [Answer] sends it.
///
/// Laws here: no tensor and no KV block; text only in this module; a client's mistake is answered
/// before anybody else hears of it ([ApiError]); serving never waits for ZooKeeper; a client that
/// does not read holds back its own request and no other.
@NullMarked
package dev.lockstep.coordinator;

import org.jspecify.annotations.NullMarked;

