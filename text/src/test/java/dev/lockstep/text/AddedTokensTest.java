// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

final class AddedTokensTest {
    @Test
    @Timeout(value = 10, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
    void aRunOfSpacesThatAreTokensIsReadOnce() {
        var tokens =
                new AddedTokens(List.of(new AddedToken(7, " ", false, false, true, false, false)));
        List<Integer> ids = new ArrayList<>();
        int length = 1 << 20;
        tokens.split(
                " ".repeat(length),
                true,
                true,
                new AddedTokens.Sections() {
                    @Override
                    public void text(String text, boolean startsInput) {
                        throw new AssertionError("text: " + text.length());
                    }

                    @Override
                    public void token(int id) {
                        ids.add(id);
                    }
                });
        assertEquals(length, ids.size());
    }
}
