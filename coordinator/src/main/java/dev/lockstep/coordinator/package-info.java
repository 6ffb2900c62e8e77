/// Client connections and text: HTTP and gRPC in, one call to a scheduler for each prompt out.
///
/// In reading order: [CoordinatorMain] starts [Coordinator], which listens. [OpenAiApi] and
/// [InferenceService] take requests; [ChatRequest] and [TextRequest] check them,
/// [CompletionFactory] turns them into token ids and [Completion] runs each on a virtual thread of
/// its own. [ChoiceText] turns the tokens of a choice into text, an [ResponseSink] sends it.
///
/// Laws here: no tensor and no KV block; text in this module and `text` only; a client's mistake is
/// answered before a scheduler sees the request ([ApiError]); serving never waits for ZooKeeper; a
/// client that does not read holds back its own request and no other.
@NullMarked
package dev.lockstep.coordinator;

import org.jspecify.annotations.NullMarked;
