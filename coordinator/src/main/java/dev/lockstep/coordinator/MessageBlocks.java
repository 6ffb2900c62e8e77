// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.lockstep.cluster.process.Sha256;
import dev.lockstep.text.tools.AnswerEvent;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.util.Base64;

/// Divides an answer into the content blocks of Anthropic's API: a new block begins where the kind
/// of what the model writes changes.
final class MessageBlocks {
    /// The receiver of the blocks, one after the other.
    interface Receiver {
        /// Accepts the beginning of a block, whose text is still empty.
        void begin(int index, ObjectNode block);

        /// Accepts a piece of the last block that began.
        ///
        /// @param type of the delta
        /// @param field of the delta
        void piece(int index, String type, String field, String text);

        void end(int index);
    }

    private enum Kind {
        NONE,
        TEXT,
        THINKING,
        TOOL
    }

    private final Receiver receiver;
    private final MessageDigest digest = Sha256.digest();
    private Kind kind = Kind.NONE;
    private int index = -1;

    MessageBlocks(Receiver receiver) {
        this.receiver = receiver;
    }

    /// Accepts a part of the answer; a call has an id.
    void accept(AnswerEvent event) {
        switch (event) {
            case AnswerEvent.Content(String text) -> {
                if (!text.isEmpty()) {
                    require(Kind.TEXT, "text", "text");
                    receiver.piece(index, "text_delta", "text", text);
                }
            }
            case AnswerEvent.Reasoning(String text) -> {
                if (!text.isEmpty()) {
                    require(Kind.THINKING, "thinking", "thinking");
                    digest.update(text.getBytes(StandardCharsets.UTF_8));
                    receiver.piece(index, "thinking_delta", "thinking", text);
                }
            }
            case AnswerEvent.CallStart call -> {
                ObjectNode block = Json.object().put("type", "tool_use");
                block.put("id", call.id().orElseThrow());
                block.put("name", call.name()).putObject("input");
                begin(Kind.TOOL, block);
            }
            case AnswerEvent.Arguments(int _, String text) -> {
                if (!text.isEmpty()) {
                    receiver.piece(index, "input_json_delta", "partial_json", text);
                }
            }
            case AnswerEvent.CallEnd _ -> end();
        }
    }

    /// Ends the last block.
    void end() {
        if (kind == Kind.THINKING) {
            // Clients demand a signature and send it back. It is not read again: a client may
            // change a conversation as it likes.
            String signature = Base64.getEncoder().encodeToString(digest.digest());
            receiver.piece(index, "signature_delta", "signature", signature);
        }
        if (kind != Kind.NONE) {
            receiver.end(index);
        }
        kind = Kind.NONE;
    }

    private void require(Kind wanted, String type, String field) {
        if (kind != wanted) {
            ObjectNode block = Json.object().put("type", type).put(field, "");
            if (wanted == Kind.THINKING) {
                block.put("signature", "");
            }
            begin(wanted, block);
        }
    }

    private void begin(Kind next, ObjectNode block) {
        end();
        kind = next;
        receiver.begin(++index, block);
    }
}
