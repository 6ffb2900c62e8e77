// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import java.util.List;
import java.util.function.Supplier;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/// Names the fields of `/v1/responses` in the errors of the chat that a request was turned into.
final class ChatNames {
    private static final Pattern MESSAGE =
            Pattern.compile("messages\\[(\\d{1,6})](?:\\.tool_calls\\[(\\d{1,6})])?(.*)");
    private static final Pattern CALL_FIELD = Pattern.compile("\\.function\\.(name|arguments)");

    /// What the other API calls what, the longer names first.
    private static final List<Renaming> RENAMINGS =
            List.of(
                    new Renaming("max_completion_tokens", "max_output_tokens"),
                    new Renaming("response_format\\.json_schema", "text.format"),
                    new Renaming("response_format", "text.format"),
                    new Renaming("reasoning_effort", "reasoning.effort"),
                    new Renaming("verbosity", "text.verbosity"),
                    new Renaming("(tools\\[\\d{1,6}])\\.function", "$1"),
                    new Renaming("tool_choice\\.function", "tool_choice"),
                    new Renaming("tool_choice\\.allowed_tools", "tool_choice"),
                    new Renaming("messages", "input"));

    private final ItemMessages conversation;

    private record Renaming(Pattern from, String to) {
        Renaming(String from, String to) {
            this(Pattern.compile("^" + from), to);
        }
    }

    ChatNames(ItemMessages conversation) {
        this.conversation = conversation;
    }

    /// Returns what `work` returns, or throws its [ApiError] with the names of this API.
    <T> T translate(Supplier<T> work) {
        try {
            return work.get();
        } catch (ApiError e) {
            if (e.param().isEmpty()) {
                throw e;
            }
            String own = own(e.param());
            throw e.about(own, e.message().replace(e.param(), own));
        }
    }

    private String own(String name) {
        Matcher message = MESSAGE.matcher(name);
        if (message.matches()) {
            String call = message.group(2);
            String place =
                    conversation.place(
                            Integer.parseInt(message.group(1)),
                            call == null ? -1 : Integer.parseInt(call));
            Matcher field = CALL_FIELD.matcher(message.group(3));
            return field.matches() ? place + "." + field.group(1) : place;
        }
        for (Renaming renaming : RENAMINGS) {
            Matcher found = renaming.from().matcher(name);
            if (found.find()) {
                return found.replaceFirst(renaming.to());
            }
        }
        return name;
    }
}
