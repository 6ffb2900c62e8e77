// SPDX-License-Identifier: Apache-2.0
/// Client connections and text: accepts requests over HTTP and gRPC, and makes one call to a
/// scheduler for each prompt.
///
/// In reading order: [CoordinatorMain] starts [Coordinator], which listens. [OpenAiApi] and
/// [InferenceService] accept requests, [ChatRequest] and [TextRequest] check them,
/// [CompletionFactory] converts them to token ids, and [Completion] runs each on its own virtual
/// thread. [ChoiceText] converts the tokens of a choice to text, a [ResponseSink] sends it.
///
/// Laws of this module: it has no tensors and no KV blocks; text is handled only here and in
/// `text`; an invalid request is refused before a scheduler sees it ([ApiError]); serving never
/// waits for ZooKeeper; a client that does not read holds back only its own request.
@NullMarked
package dev.lockstep.coordinator;

import org.jspecify.annotations.NullMarked;
