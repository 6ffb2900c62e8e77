/// Text at the edge: tokenizers, detokenizing, stop strings and chat templates.
///
/// Laws of this package: what a client writes is data, so no text reaches a control token unless
/// the caller asked for special tokens to be recognised; every pass over client text is linear, or
/// n log n, whatever the text; tokenizers are immutable and shared by all request threads, while
/// detokenizers and stop strings belong to one request each.
@NullMarked
package dev.lockstep.text;

import org.jspecify.annotations.NullMarked;
