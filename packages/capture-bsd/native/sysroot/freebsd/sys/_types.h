/* gcc's stddef.h asks for it on FreeBSD; nothing here. */
#pragma once
