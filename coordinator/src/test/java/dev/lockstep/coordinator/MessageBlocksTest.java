// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import static org.junit.jupiter.api.Assertions.assertEquals;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.lockstep.text.tools.AnswerEvent;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;

/// Tests the content blocks of Anthropic's API.
final class MessageBlocksTest {
    private final List<String> seen = new ArrayList<>();
    private final MessageBlocks blocks =
            new MessageBlocks(
                    new MessageBlocks.Receiver() {
                        @Override
                        public void begin(int index, ObjectNode block) {
                            seen.add(index + " " + block);
                        }

                        @Override
                        public void piece(int index, String type, String field, String text) {
                            seen.add(index + " " + type + " " + field + " " + text);
                        }

                        @Override
                        public void end(int index) {
                            seen.add(index + " end");
                        }
                    });

    @Test
    void aBlockEndsWhereTheKindChanges() {
        blocks.accept(new AnswerEvent.Reasoning("h"));
        blocks.accept(new AnswerEvent.Reasoning("m"));
        blocks.accept(new AnswerEvent.Content(""));
        blocks.accept(new AnswerEvent.Content("I "));
        blocks.accept(new AnswerEvent.Content("look."));
        blocks.accept(new AnswerEvent.CallStart(0, Optional.of("first"), "weather"));
        blocks.accept(new AnswerEvent.Arguments(0, "{\"city\":"));
        blocks.accept(new AnswerEvent.Arguments(0, "\"Oslo\"}"));
        blocks.accept(new AnswerEvent.CallEnd(0));
        blocks.accept(new AnswerEvent.CallStart(1, Optional.of("own"), "now"));
        blocks.accept(new AnswerEvent.CallEnd(1));
        blocks.end();
        assertEquals(
                List.of(
                        "0 {\"type\":\"thinking\",\"thinking\":\"\",\"signature\":\"\"}",
                        "0 thinking_delta thinking h",
                        "0 thinking_delta thinking m",
                        "0 signature_delta signature uC4heOz00MWFncLhadf+2Gc/n27rnzWRvtXyU7d0JAg=",
                        "0 end",
                        "1 {\"type\":\"text\",\"text\":\"\"}",
                        "1 text_delta text I ",
                        "1 text_delta text look.",
                        "1 end",
                        "2 {\"type\":\"tool_use\",\"id\":\"first\",\"name\":\"weather\",\"input\":{}}",
                        "2 input_json_delta partial_json {\"city\":",
                        "2 input_json_delta partial_json \"Oslo\"}",
                        "2 end",
                        "3 {\"type\":\"tool_use\",\"id\":\"own\",\"name\":\"now\",\"input\":{}}",
                        "3 end"),
                seen);
    }
}
