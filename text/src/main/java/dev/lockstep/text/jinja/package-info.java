// SPDX-License-Identifier: Apache-2.0
/// The Jinja subset that chat templates are written in.
///
/// Laws: a template never reaches a Java object, only the plain values of `Values`; every value is
/// immutable, except a namespace and what yields values in turn; every loop, text and call is
/// charged to a `Budget`, so a hostile template ends in a `TemplateException`; user text is data
/// and is never parsed. The dialect is Jinja 3.1 with the usual settings for chat templates:
/// `trim_blocks`, `lstrip_blocks`, loop controls, the immutable sandbox, no escaping. Intended
/// differences: an unknown filter or test is an error when it is reached, not when it is parsed; no
/// template includes, imports or extends another; `raw` must be closed; a whole number has at most
/// 4096 bits; a generator computes all its values at once; printed addresses are constant.
@NullMarked
package dev.lockstep.text.jinja;

import org.jspecify.annotations.NullMarked;
